import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import knexFactory, { type Knex } from 'knex';
import { createTestDatabase } from '../../../test/support/mariadb.ts';
import { openSplit } from '../../../test/support/network/split-client.ts';
import { migrateClientStore } from '../src/migrations/index.ts';

type Database = { pragma(text: string): void };

/** As a service sets its connections, but for the busy wait. In WAL better-sqlite3 begins with synchronous = NORMAL. */
function prepareConnection(connection: Database, done: () => void): void {
  connection.pragma('synchronous = FULL');
  connection.pragma('busy_timeout = 20');
  done();
}

/** A fresh database for one test, on either dialect. */
export type TestStore = {
  knex: Knex;
  /** Another pool on the same database: a second process. On MariaDB, `port` may be a proxy's. */
  second(port?: number): Knex;
  /** Sees what is committed, also where `knex` may read something older. Default: `knex`. */
  observer?: Knex;
  drop(): Promise<void>;
};

async function sqliteStore(): Promise<TestStore> {
  const dir = mkdtempSync(join(tmpdir(), 'tpc-client-'));
  const pools: Knex[] = [];
  const open = () => {
    const knex = knexFactory({
      client: 'better-sqlite3',
      connection: { filename: join(dir, 'store.sqlite') },
      useNullAsDefault: true,
      // Two pools in one process stand for two processes: the driver's wait would block the one that it waits for, so it is short.
      pool: { min: 1, max: 1, afterCreate: prepareConnection },
      acquireConnectionTimeout: 2000,
    });
    pools.push(knex);
    return knex;
  };
  const knex = open();
  await knex.raw('PRAGMA journal_mode = WAL');
  const drop = async () => {
    for (const pool of pools) await pool.destroy();
    rmSync(dir, { recursive: true, force: true });
  };
  return { knex, second: open, drop };
}

type Session = { query(statement: string | { sql: string }, ...rest: unknown[]): unknown };

/** Makes the session send other statements, as if the server or a proxy before it answered differently. */
function replacing(session: Session, replace: (sql: string) => string): void {
  const query = session.query.bind(session);
  session.query = (statement, ...rest) => query(typeof statement === 'string' ? statement : { ...statement, sql: replace(statement.sql) }, ...rest);
}

/** @param replace what is sent in place of a statement; default: itself */
export async function mariadbStore(multipleStatements = false, replace?: (sql: string) => string): Promise<TestStore> {
  const database = await createTestDatabase('client');
  const pools: Knex[] = [];
  const open = (port?: number) => {
    const url = new URL(database.url);
    if (port !== undefined) url.port = String(port);
    const knex = knexFactory({
      client: 'mysql2',
      connection: { uri: url.toString(), supportBigNumbers: true, multipleStatements } as unknown as Knex.MySql2ConnectionConfig,
      pool: {
        min: 0,
        max: 8,
        afterCreate: (session: Session, done: (error: unknown, session: Session) => void) => {
          if (replace) replacing(session, replace);
          done(null, session);
        },
      },
      acquireConnectionTimeout: 5000,
    });
    pools.push(knex);
    return knex;
  };
  const drop = async () => {
    for (const pool of pools) await pool.destroy();
    await database.drop();
  };
  return { knex: open(), second: open, drop };
}

/** Behind a read-write split whose replica has the tables, and stands still from then on. */
async function splitStore({ multipleStatements = false, tearsTransactions = false } = {}): Promise<TestStore> {
  const [primary, replica] = [await createTestDatabase('client'), await createTestDatabase('replica')];
  const name = new URL(replica.url).pathname.slice(1);
  const open = (url: string) => knexFactory({ client: 'mysql2', connection: url, pool: { min: 0, max: 4 } });
  const observer = open(primary.url);
  const late = open(replica.url);
  await Promise.all([migrateClientStore(observer), migrateClientStore(late)]);
  await late.destroy();
  await observer.raw(`REPLACE INTO ${name}.tpc_store_meta SELECT * FROM tpc_store_meta`);
  const pools: Knex[] = [observer];
  const second = () => {
    const knex = openSplit(primary.url, { replica: name, multipleStatements, tearsTransactions });
    pools.push(knex);
    return knex;
  };
  const drop = async () => {
    for (const pool of pools) await pool.destroy();
    await Promise.all([primary.drop(), replica.drop()]);
  };
  return { knex: second(), second, observer, drop };
}

/** For `describe.each`: every promise about the store is kept on both dialects. */
export const STORES: readonly (readonly [string, () => Promise<TestStore>])[] = [
  ['SQLite', sqliteStore],
  ['MariaDB', () => mariadbStore()],
];

/** For promises that only a server with several connections can break. */
export const MARIADB = STORES[1] as (typeof STORES)[number];

/** BEGIN travels with a transaction's first statement there. */
export const TOGETHER: (typeof STORES)[number] = ['MariaDB with several statements in a packet', () => mariadbStore(true)];

/** For promises about transactions on a server. */
export const MARIADBS = [MARIADB, TOGETHER];

/** For what reads what was written just before. */
export const SPLIT_STORES: typeof STORES = [
  ['MariaDB behind a read-write split', () => splitStore()],
  ['MariaDB behind a read-write split, with several statements in a packet', () => splitStore({ multipleStatements: true })],
];

/** Behind a proxy that sends the reads of a transaction elsewhere than its writes. */
export const TORN_STORE = () => splitStore({ tearsTransactions: true });

/** For what is sent in one packet where that can be had. */
export const PACKET_STORES = [...STORES, TOGETHER];

/** A server, or a proxy before it, that takes no condition at COMMIT. */
const UNCONDITIONAL: (typeof STORES)[number] = [
  'MariaDB without a condition at COMMIT',
  () => mariadbStore(false, (sql) => (sql.startsWith('SET autocommit = (') ? 'SET autocommit = nonsense (' : sql)),
];

/** For what a transaction does at its end. */
export const COMMITTING_STORES = [...PACKET_STORES, UNCONDITIONAL];

/** For promises about SQLite's one connection. */
export const SQLITE = STORES[0] as (typeof STORES)[number];
