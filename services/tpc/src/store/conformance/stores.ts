import { run, type SqlValue } from '@tpc/core';
import { openDatabase } from '@tpc/platform';
import type { Knex } from 'knex';
import { createTestDatabase } from '../../../../../test/support/mariadb.ts';
import type { StoreContext } from '../context.ts';
import { createStore, createStoreContext, DEFAULT_POLICIES, type StoreOptions } from '../create-store.ts';
import { tpcMigrationSource } from '../migrations/index.ts';
import type { Store } from '../store.ts';

/** A migrated, empty store for a test. */
export type TestStore = {
  knex: Knex;
  store: Store;
  /** A second replica on the same database: on MariaDB with a pool of its own. */
  replica: Store;
  ctx: StoreContext;
  /** One statement of the test itself. */
  sql<R = Record<string, unknown>>(text: string, ...params: SqlValue[]): Promise<R[]>;
  close(): Promise<void>;
};

/** Half of the jitter's range: waits are exactly as configured. */
const options: StoreOptions = { policies: DEFAULT_POLICIES, random: () => 0.5, clock: () => 0 };

async function openSqlite(): Promise<TestStore> {
  const knex = openDatabase({ url: 'sqlite::memory:' });
  await knex.migrate.latest({ migrationSource: tpcMigrationSource });
  return toTestStore(knex, knex, () => knex.destroy());
}

async function openMariaDb(): Promise<TestStore> {
  const database = await createTestDatabase('tpc_store');
  const knex = openDatabase({ url: database.url, poolMax: 8 });
  const second = openDatabase({ url: database.url, poolMax: 8 });
  await knex.migrate.latest({ migrationSource: tpcMigrationSource });
  return toTestStore(knex, second, async () => {
    await Promise.all([knex.destroy(), second.destroy()]);
    await database.drop();
  });
}

function toTestStore(knex: Knex, second: Knex, close: () => Promise<void>): TestStore {
  return {
    knex,
    store: createStore(knex, { ...options, clock: neverFresh() }),
    replica: createStore(second, { ...options, clock: neverFresh() }),
    ctx: createStoreContext(knex, options),
    sql: async <R>(text: string, ...params: SqlValue[]) => (await run<R>(knex, text, params)).rows,
    close,
  };
}

/** A clock on which nothing that is remembered stays fresh, so that tests see the table. */
function neverFresh(): () => number {
  let now = 0;
  return () => {
    now += 60_000;
    return now;
  };
}

export const STORES: readonly (readonly [string, () => Promise<TestStore>])[] = [
  ['SQLite', openSqlite],
  ['MariaDB', openMariaDb],
];
