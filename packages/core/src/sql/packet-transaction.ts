import type { Knex } from 'knex';
import { createDatabase, type Database, isQueryable, type Queryable, type Tx } from './database.ts';
import { dialectOf } from './dialect.ts';
import { mysqlDriver } from './mysql.ts';
import { run } from './run.ts';
import { type SqliteClient, sqliteDriver } from './sqlite.ts';
import type { MysqlClient, Sql, SqlResult, SqlValue } from './types.ts';

/** The database of a knex, through its pool. */
function databaseOf(db: Knex | Knex.Transaction): Database {
  const isMysql = dialectOf(db).name === 'mysql';
  return createDatabase(isMysql ? mysqlDriver(db.client as MysqlClient) : sqliteDriver(db.client as SqliteClient));
}

/** `Database.transaction` of a knex's database. */
export function inPacketTransaction<T>(db: Knex, work: (tx: Tx) => Promise<T>): Promise<T> {
  return databaseOf(db).transaction(work);
}

/**
 * Runs statements in their order, in one packet where that can be had; none may need another's answer, and none runs after one that fails. Outside a
 * transaction each commits by itself.
 * @returns each one's answer
 */
export function runTogether(db: Knex | Knex.Transaction | Queryable, statements: readonly Sql[]): Promise<SqlResult<unknown>[]> {
  return (isQueryable(db) ? db : databaseOf(db)).together(statements);
}

/**
 * Reads what was last committed. A read-write split (a proxy before a primary and its replicas) may answer a SELECT outside of a transaction from a replica
 * that is seconds late; a transaction is the primary's. So whatever decides something reads by this, or within the transaction that writes.
 * In one packet where that can be had, else in three round trips.
 */
export function runOnPrimary<R = Record<string, unknown>>(
  db: Knex | Knex.Transaction | Queryable,
  sql: string,
  params: readonly SqlValue[] = [],
): Promise<SqlResult<R>> {
  if (isQueryable(db) || db.isTransaction === true || dialectOf(db).name === 'sqlite') return run<R>(db, sql, params);
  return databaseOf(db).latest<R>({ sql, params });
}

/** Writes what nobody needs an answer of: at the latest with the transaction's COMMIT, which fails where it fails. */
export async function deferWrite(db: Knex | Knex.Transaction | Queryable, sql: string, params: readonly SqlValue[]): Promise<void> {
  if (isOpen(db)) db.defer({ sql, params });
  else await run(db, sql, params);
}

/**
 * Calls `act` once the transaction of `db` has committed: not where it is rolled back, nor where nobody knows. So work that is run again is told once.
 * Outside of a transaction at once. `act` must not throw.
 */
export function afterCommit(db: Knex | Knex.Transaction | Queryable, act: () => void): void {
  if (isOpen(db)) db.afterCommit(act);
  else if ((db as { isTransaction?: boolean }).isTransaction) (db as Knex.Transaction).executionPromise.then(act, () => {});
  else act();
}

function isOpen(db: object): db is Tx {
  return typeof (db as Partial<Tx>).defer === 'function';
}
