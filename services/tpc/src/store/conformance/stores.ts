import { migrate, run, type SqlValue } from '@tpc/core';
import { openDatabase } from '@tpc/platform';
import type { Knex } from 'knex';
import { createTestDatabase } from '../../../../../test/support/mariadb.ts';
import { openSplit } from '../../../../../test/support/network/split-client.ts';
import type { StoreContext } from '../base/context.ts';
import { createStore, createStoreContext, DEFAULT_POLICIES } from '../create-store.ts';
import { STEPS } from '../migrations/index.ts';
import type { Store } from '../store.ts';

/** Random numbers of the tests' stores: the middle of the jitter's range, so that waits are exactly as configured. */
const options = { policies: DEFAULT_POLICIES, random: () => 0.5 };

/** A migrated store for one test file. */
export class TestStore {
  /** Of the tests' own statements. */
  readonly knex: Knex;
  readonly #first: Knex;
  /** The second replica's pool; SQLite has one connection for both. */
  readonly second: Knex;
  readonly #close: () => Promise<void>;
  store!: Store;
  /** Another replica on the same database, with a pool of its own on MariaDB. */
  replica!: Store;
  ctx!: StoreContext;

  /** @param first the store's own pool, where it is not that of the tests */
  constructor(knex: Knex, second: Knex, close: () => Promise<void>, first = knex) {
    this.knex = knex;
    this.#first = first;
    this.second = second;
    this.#close = close;
  }

  /** Empties all tables and forgets all names, for the next test. */
  async reset(): Promise<void> {
    for (const { table } of STEPS) if (table !== undefined) await this.sql(`DELETE FROM ${table}`);
    this.store = createStore(this.#first, { ...options, clock: neverFresh() });
    this.replica = createStore(this.second, { ...options, clock: neverFresh() });
    this.ctx = createStoreContext(this.#first, options);
  }

  /** One statement of the test itself. */
  async sql<R = Record<string, unknown>>(text: string, ...params: SqlValue[]): Promise<R[]> {
    return (await run<R>(this.knex, text, params)).rows;
  }

  close(): Promise<void> {
    return this.#close();
  }
}

/** A clock on which nothing that is remembered stays fresh, so that tests see the table. */
function neverFresh(): () => number {
  let now = 0;
  return () => {
    now += 60_000;
    return now;
  };
}

async function migrated(knex: Knex, second: Knex, close: () => Promise<void>, first?: Knex): Promise<TestStore> {
  await migrate(knex, { tableName: 'tpc_migration', list: STEPS });
  const store = new TestStore(knex, second, close, first);
  await store.reset();
  return store;
}

export function openSqlite(): Promise<TestStore> {
  const knex = openDatabase({ url: 'sqlite::memory:' });
  return migrated(knex, knex, () => knex.destroy());
}

/** @param secondMax connections of the second replica's pool */
export async function openMariaDb(secondMax = 8): Promise<TestStore> {
  const database = await createTestDatabase('tpc_store');
  const knex = openDatabase({ url: database.url, poolMax: 8, multipleStatements: true });
  const second = openDatabase({ url: database.url, poolMax: secondMax, multipleStatements: true });
  return migrated(knex, second, async () => {
    await Promise.all([knex.destroy(), second.destroy()]);
    await database.drop();
  });
}

/** Behind a read-write split whose replica has the tables, and nothing of what is written. */
export async function openBehindSplit(): Promise<TestStore> {
  const [primary, replica] = [await createTestDatabase('tpc_store'), await createTestDatabase('tpc_replica')];
  const late = openDatabase({ url: replica.url });
  await migrate(late, { tableName: 'tpc_migration', list: STEPS });
  await late.destroy();
  const knex = openDatabase({ url: primary.url });
  const behind = [1, 2].map(() => openSplit(primary.url, { replica: nameOf(replica.url), multipleStatements: true })) as [Knex, Knex];
  const close = async () => {
    for (const pool of [knex, ...behind]) await pool.destroy();
    await Promise.all([primary.drop(), replica.drop()]);
  };
  return migrated(knex, behind[1], close, behind[0]);
}

function nameOf(url: string): string {
  return new URL(url).pathname.slice(1);
}

export const STORES: readonly (readonly [string, () => Promise<TestStore>])[] = [
  ['SQLite', openSqlite],
  ['MariaDB', () => openMariaDb()],
];
