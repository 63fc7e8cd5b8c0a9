import { classifySqlError, ServerStatus, type SessionSettings, type Sql, serverOf, serverStatusOf, withinLimit } from '@tpc/core';
import type { Knex } from 'knex';

/** A statement that switches autocommit on, which commits what is open, where the SELECT of 1 or 0 answers 1. */
export function autocommitIf({ sql, params }: Sql): Sql {
  return { sql: `SET autocommit = (${sql})`, params };
}

/** Whether autocommit is on after the statement with this answer. */
export function switchedOn(answer: unknown): boolean {
  return ((serverStatusOf(answer) ?? 0) & ServerStatus.AUTOCOMMIT) !== 0;
}

/** What each server has answered, by the pool's configuration and the server with its version. */
const answers = new WeakMap<object, Map<string, boolean>>();

function known(knex: Knex): Map<string, boolean> {
  const { config } = knex.client as { config: object };
  const found = answers.get(config) ?? new Map<string, boolean>();
  answers.set(config, found);
  return found;
}

const nameOf = (settings: SessionSettings) => `${serverOf(settings)} ${settings.get('version')}`;

type Client = { query(connection: unknown, statement: unknown): Promise<{ response?: [unknown] }> };

/**
 * Whether the server of this session takes a condition for switching autocommit on, so that the last look of a transaction and its COMMIT are one statement.
 * MariaDB 10.11 and MySQL 9.7 do. It is asked rather than told by its version: not every version could be tried, and a proxy may stand between. Each server
 * is asked once, so a pool whose address leads to another server asks that one.
 * @throws what the driver says when the connection is lost meanwhile
 */
export async function commitsOnCondition(knex: Knex, connection: object, settings: SessionSettings): Promise<boolean> {
  const server = nameOf(settings);
  const answer = known(knex).get(server) ?? (await ask(knex, connection));
  known(knex).set(server, answer);
  return answer;
}

/** The server has refused a condition that it, or another behind the same address, took before: it is not asked for one again. */
export function takesNoCondition(knex: Knex, settings: SessionSettings): void {
  known(knex).set(nameOf(settings), false);
}

async function ask(knex: Knex, connection: object): Promise<boolean> {
  const client = knex.client as Client;
  const query = (sql: string, bindings: readonly unknown[] = []) =>
    withinLimit(knex.client, connection, () => client.query(connection, { sql, bindings }));
  const holds = async (rows: 0 | 1) => {
    const { sql, params } = autocommitIf({ sql: 'SELECT COUNT(*) = ? FROM tpc_outbox WHERE message_key IS NULL', params: [rows] });
    return switchedOn((await query(sql, params)).response?.[0]);
  };
  try {
    await query('SET autocommit=0');
    return !(await holds(1)) && (await holds(0));
  } catch (error) {
    if (classifySqlError(error) === 'connection') throw error;
    return false;
  } finally {
    await query('SET autocommit=1');
  }
}

/** Not understood, not a value of this variable, not supported: the statement has not run, and the transaction is as it was. */
const REFUSED_FORMS: ReadonlySet<unknown> = new Set([1064, 1231, 1232, 1235]);

/** Whether the server has refused `autocommitIf` as a statement, so that nothing has happened. */
export function refusesCondition(error: unknown): boolean {
  return REFUSED_FORMS.has((error as { errno?: number } | null | undefined)?.errno);
}
