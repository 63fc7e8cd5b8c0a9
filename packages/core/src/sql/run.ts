import type { Knex } from 'knex';
import { isQueryable, type Queryable } from './database.ts';
import { dialectOf } from './dialect.ts';
import { acquire, assertCommitted, assertFitsPacket } from './session/checked-sessions.ts';
import { watchOf } from './session/server-watch.ts';
import { withinLimit } from './session/statement-limit.ts';
import type { Connection, MysqlClient, SqlResult, SqlValue, Statement } from './types.ts';
import { bound, textBytes } from './values.ts';

/**
 * Runs one statement with `?` placeholders. Every hot statement goes through here. On MySQL it takes the short way: to knex's client, which watches
 * transactions and lends connections, and past its builder, which would read the placeholders of hundreds of rows twice more.
 */
export async function run<R = Record<string, unknown>>(
  db: Knex | Knex.Transaction | Queryable,
  sql: string,
  params: readonly SqlValue[] = [],
): Promise<SqlResult<R>> {
  if (isQueryable(db)) return db.query<R>({ sql, params });
  if (dialectOf(db).name === 'mysql') return runOnMysql(db, sql, params);
  const answer = (await db.raw(sql, params as Knex.RawBinding[])) as unknown;
  if (Array.isArray(answer)) return { rows: answer as R[], affected: 0 };
  const { changes = 0, lastInsertRowid = 0 } = answer as { changes?: number; lastInsertRowid?: number | bigint };
  return { rows: [], affected: changes, insertId: Number(lastInsertRowid) - changes + 1 };
}

function runOnMysql<R>(db: Knex | Knex.Transaction, sql: string, params: readonly SqlValue[]): Promise<SqlResult<R>> {
  const client = db.client as MysqlClient;
  return withConnection(client, async (connection) => {
    const answer = await ask(client, connection, { sql, bindings: params });
    if (client.transacting !== true) assertCommitted(connection, answer);
    return toResult<R>(answer);
  });
}

/**
 * Lends a connection of the client to `work` alone.
 * @throws UnsuitableSession for one that does not suit, of a pool whose sessions are checked
 */
export async function withConnection<T>(client: MysqlClient, work: (connection: Connection) => Promise<T>): Promise<T> {
  const connection = await acquire(client);
  try {
    const watch = watchOf(client);
    if (watch !== undefined) await watch.admit(client, connection);
    return await work(connection);
  } finally {
    await client.releaseConnection(connection);
  }
}

/** @returns the driver's answer */
export async function ask(client: MysqlClient, connection: Connection, { sql, bindings }: Statement): Promise<unknown> {
  const statement = { sql, bindings: bound(bindings) };
  assertFitsPacket(connection, textBytes(sql, statement.bindings));
  const [answer] = (await withinLimit(client, connection, () => client.query(connection, statement))).response;
  // The client emits `query` and `query-error` by itself; this one is the builder's, and whoever listens on the team's knex expects all three.
  client.emit('query-response', answer, { __knexUid: connection.__knexUid, ...statement });
  return answer;
}

/** @param answer rows, or the header of a statement that writes, as mysql2 gives them */
export function toResult<R>(answer: unknown): SqlResult<R> {
  if (Array.isArray(answer)) return { rows: answer as R[], affected: 0 };
  const { affectedRows, insertId } = answer as { affectedRows: number; insertId: number };
  return { rows: [], affected: affectedRows, insertId };
}

/** `?, ?, ?` for `count` values. */
export function placeholders(count: number): string {
  return valueRows('?', count);
}

/** The same template `count` times, as a list: the rows behind VALUES of one INSERT. */
export function valueRows(template: string, count: number): string {
  return Array(count).fill(template).join(', ');
}
