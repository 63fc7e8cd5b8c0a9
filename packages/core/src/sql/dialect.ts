import type { Knex } from 'knex';

/**
 * The few words in which MySQL, MariaDB and SQLite differ, so that a statement is written once. SQLite has one writer and one
 * connection, so the locking clauses are empty there.
 */
export type Dialect = {
  name: 'mysql' | 'sqlite';
  /** Expression for the database's own clock: UTC, whole milliseconds. */
  now: string;
  /** ` FOR UPDATE`, or nothing. */
  forUpdate: string;
  /** ` FOR UPDATE SKIP LOCKED`, or nothing. */
  forUpdateSkipLocked: string;
  /** ` FOR UPDATE NOWAIT`, or nothing. */
  forUpdateNowait: string;
};

export const MYSQL: Dialect = {
  name: 'mysql',
  // NOW() is in the session's zone: where that has summer time, it runs back an hour each autumn.
  now: "TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(3)) DIV 1000",
  forUpdate: ' FOR UPDATE',
  forUpdateSkipLocked: ' FOR UPDATE SKIP LOCKED',
  forUpdateNowait: ' FOR UPDATE NOWAIT',
};

export const SQLITE: Dialect = {
  name: 'sqlite',
  now: "CAST(unixepoch('subsec')*1000 AS INTEGER)",
  forUpdate: '',
  forUpdateSkipLocked: '',
  forUpdateNowait: '',
};

/**
 * The dialect of a knex instance or transaction.
 * @throws Error naming the driver when it is neither mysql2 nor better-sqlite3
 */
export function dialectOf(db: Knex | Knex.Transaction | { dialect: Dialect }): Dialect {
  if ('dialect' in db) return db.dialect;
  const driver = (db.client as { driverName?: string }).driverName;
  if (driver === 'mysql2' || driver === 'mysql') return MYSQL;
  if (driver === 'better-sqlite3' || driver === 'sqlite3') return SQLITE;
  throw new Error(`SQL driver ${driver} is not supported: use mysql2 (MySQL 8, MariaDB 10.6 or newer) or better-sqlite3`);
}
