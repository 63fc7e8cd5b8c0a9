import { accessSync, constants, mkdirSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { dispose, limitStatements, type SettingRow, SHOW_SETTINGS, sessionFaults, settingsOf } from '@tpc/core';
import knexFactory, { type Knex } from 'knex';
import { StartError, UnsuitableDatabase } from '../errors.ts';

export type DatabaseOptions = {
  /** `sqlite:<file>`, or `mysql://user:password@host:port/database`. */
  url: string;
  /** Name of the setting that has the address, for the lines of errors. */
  setting?: string;
  /** Connections at most, for MySQL and MariaDB; SQLite has one writer and so one connection. Default 16. */
  poolMax?: number;
  /** How long a statement waits for another's lock, seconds. Default 1: a claimer tries again later rather than wait. */
  lockWaitS?: number;
  /** How long a session may hold a transaction open without a statement before the server ends it, seconds. Less than any lease. Default 10. */
  idleTransactionS?: number;
  /** How long MySQL or MariaDB may take to answer a statement before its connection counts as lost, milliseconds. Default 30,000. */
  statementLimitMs?: number;
  /**
   * Several statements in one packet, for `inPacketTransaction` on MySQL and MariaDB. Only where every value goes through placeholders: a text that
   * gets into a statement could otherwise add one of its own. Default false.
   */
  multipleStatements?: boolean;
};

/** knex would print failed connections to the console, between the log's lines; the same errors reach whoever asked for the connection. */
const QUIET: Knex.Logger = { warn: ignore, error: ignore, deprecate: ignore, debug: ignore };

function ignore(): void {
  // Said elsewhere, by the caller that got the error.
}

/** Wait for a server's greeting, milliseconds. Shorter than the wait for a connection of the pool, so that its own reason is told. */
const CONNECT_TIMEOUT_MS = 5_000;
/** Wait for a connection of the pool before KnexTimeoutError, milliseconds. */
const ACQUIRE_TIMEOUT_MS = 10_000;
const STATEMENT_LIMIT_MS = 30_000;

/**
 * Opens a database. SQLite: the folder is made, WAL, synchronous=FULL. MySQL and MariaDB: a sql_mode of the services' own, UTC, READ COMMITTED,
 * short lock waits.
 * @throws StartError when the address is of no known kind or the folder cannot be written
 */
export function openDatabase(options: DatabaseOptions): Knex {
  const { url, setting } = options;
  if (url.startsWith('sqlite:')) return openSqlite(url.slice('sqlite:'.length), setting);
  if (/^(mysql|mariadb):\/\//.test(options.url)) return openMysql(options);
  throw new StartError(`${setting ?? 'bad database address'}: expected sqlite:<file> or mysql://user:password@host:port/database`);
}

function openSqlite(file: string, setting: string | undefined): Knex {
  if (file !== ':memory:') assertWritable(dirname(resolve(file)), setting);
  return knexFactory({
    client: 'better-sqlite3',
    log: QUIET,
    connection: { filename: file },
    useNullAsDefault: true,
    acquireConnectionTimeout: ACQUIRE_TIMEOUT_MS,
    pool: {
      min: 1,
      max: 1,
      afterCreate: (connection: { pragma: (text: string) => unknown }, done: (error: Error | null, connection: unknown) => void) => {
        connection.pragma('journal_mode = WAL');
        connection.pragma('synchronous = FULL');
        connection.pragma('foreign_keys = ON');
        connection.pragma('busy_timeout = 5000');
        done(null, connection);
      },
    },
  });
}

/**
 * @param setting that named the folder, for the error's line
 * @throws StartError when the folder cannot be made or written
 */
export function assertWritable(folder: string, setting?: string): void {
  try {
    makeFolder(resolve(folder));
    accessSync(folder, constants.W_OK);
  } catch (cause) {
    throw new StartError(`${setting === undefined ? '' : `${setting}: `}folder ${folder} cannot be written: ${reasonOf(cause)}`, { cause });
  }
}

function reasonOf(cause: unknown): string {
  const { code, message } = cause as NodeJS.ErrnoException;
  return code === 'EEXIST' || code === 'ENOTDIR' ? 'there is a file of that name' : message;
}

/** Makes a folder and its parents. Node's own recursive mode never returns where nothing can be made and the answer is ENOENT, as in /proc. */
function makeFolder(folder: string): void {
  if (isFolder(folder)) return;
  makeFolder(dirname(folder));
  try {
    mkdirSync(folder);
  } catch (error) {
    if (!isFolder(folder)) throw error; // else another process made it meanwhile
  }
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

/** What is used of a session of mysql2. */
type MysqlSession = { query: (sql: string, done: (error: Error | null, rows?: SettingRow[]) => void) => void; stream: { destroy: () => void } };

function openMysql(options: DatabaseOptions): Knex {
  const statementLimitMs = options.statementLimitMs ?? STATEMENT_LIMIT_MS;
  const knex = knexFactory({
    client: 'mysql2',
    log: QUIET,
    connection: {
      uri: options.url.replace(/^mariadb:/, 'mysql:'),
      timezone: 'Z',
      charset: 'utf8mb4',
      supportBigNumbers: true,
      enableKeepAlive: true,
      connectTimeout: CONNECT_TIMEOUT_MS,
      multipleStatements: options.multipleStatements ?? false,
    } as Knex.MySql2ConnectionConfig,
    acquireConnectionTimeout: ACQUIRE_TIMEOUT_MS,
    pool: {
      min: 0,
      max: options.poolMax ?? 16,
      afterCreate: (session: MysqlSession, done: (error: Error | null, session: unknown) => void) => {
        const timer = setTimeout(() => session.stream.destroy(), statementLimitMs);
        const prepared = prepareSession(session, options).finally(() => clearTimeout(timer));
        prepared.then(
          () => done(null, session),
          (error: Error) => {
            dispose(session, error); // The pool has never had it, so nobody else would.
            done(error, session);
          },
        );
      },
    },
  });
  limitStatements(knex, statementLimitMs);
  return knex;
}

/** What the services' statements are written for, whatever the server, `init_connect` or a person has set. */
const SQL_MODE = 'STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION';

const SET_BY_THE_SERVICES = [
  ['sql_mode', SQL_MODE],
  ['autocommit', 'ON'],
  ['completion_type', 'NO_CHAIN'],
  ['tx_read_only', 'OFF'],
  ['transaction_read_only', 'OFF'],
] as const;

/** Looks at a session before its first statement, and sets what a session can set for itself; the rest is the server's. */
async function prepareSession(session: MysqlSession, options: DatabaseOptions): Promise<void> {
  const query = (sql: string) =>
    new Promise<SettingRow[]>((resolve, reject) => session.query(sql, (error, rows) => (error ? reject(error) : resolve(rows ?? []))));
  const found = settingsOf(await query(SHOW_SETTINGS));
  const version = found.get('version') ?? '';
  assertLocks(version);
  const faults = sessionFaults(new Map([...found, ...SET_BY_THE_SERVICES]));
  if (faults.length > 0) throw new UnsuitableDatabase(...faults.map(({ line }) => line));
  const wait = options.lockWaitS ?? 1;
  await query(
    `SET SESSION sql_mode = '${SQL_MODE}', autocommit = 1, completion_type = NO_CHAIN, time_zone = '+00:00', innodb_lock_wait_timeout = ${wait}`,
  );
  await query('SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE');
  // A frozen process must not hold locks: MariaDB ends its idle transaction, MySQL has no such setting.
  if (version.includes('MariaDB')) await query(`SET SESSION idle_transaction_timeout = ${options.idleTransactionS ?? 10}`);
}

/** @throws UnsuitableDatabase for a server that takes the words SKIP LOCKED and locks nothing: every claim of a row rests on them */
function assertLocks(version: string): void {
  if (!version.includes('TiDB')) return;
  throw new UnsuitableDatabase(`${version} is TiDB, which ignores SKIP LOCKED, so two replicas would take the same messages: use MySQL or MariaDB`);
}
