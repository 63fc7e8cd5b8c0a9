import type { Knex } from 'knex';
import { until } from '../../../test/support/until.ts';
import { connectTpc, type TpcConnection } from '../src/connection/index.ts';
import type { Log } from '../src/log.ts';
import { migrateClientStore } from '../src/migrations/index.ts';
import type { ProducerOptions } from '../src/producer/config.ts';
import { createProducer, type Producer } from '../src/producer/producer.ts';
import { FakeTpc } from '../src/testing/index.ts';
import type { TestStore } from './stores.ts';

/** A producer on a fresh store and a fake TPC, with a table `account` for its business. */
export type ProducerFixture = {
  store: TestStore;
  fake: FakeTpc;
  tpc: TpcConnection;
  producer: Producer;
  /** Every line that was logged, for tests of what is not said. */
  logged: { level: string; fields: object; message: string }[];
  /** Another producer on the same store: a second replica. */
  replica(options?: Partial<ProducerOptions>): Producer;
  /** Names in `account`, as another process sees them. */
  accounts(): Promise<string[]>;
  /** Rows of tpc_outbox by key, as another process sees them. */
  outbox(): Promise<Record<string, OutboxRow>>;
  close(): Promise<void>;
};

export type OutboxRow = { state: number; due_at: number | null; attempts: number; claim: string | null; reason: string; last_error: string };

export const GROUP = 'UAC';

/** Nothing in the background unless a test asks for it; waits are short where a test waits. */
export const QUIET: Partial<ProducerOptions> = {
  sweep: { enabled: false, firstWaitMs: 60_000 },
  checkBack: { enabled: false },
  // Generous, so that a busy machine is not taken for a slow TPC.
  prepareBudgetMs: 5_000,
  acknowledgeLingerMs: 1,
  probe: { firstWaitMs: 20, factor: 1, maxWaitMs: 20, jitter: 0, maxAttempts: undefined },
};

export async function setUpProducer(open: () => Promise<TestStore>, options: Partial<ProducerOptions> = {}): Promise<ProducerFixture> {
  const store = await open();
  await migrateClientStore(store.knex);
  await store.knex.schema.createTable('account', (table) => {
    table.string('name', 64).primary();
  });
  const fake = await new FakeTpc().start();
  const tpc = connectTpc({ address: fake.address });
  const logged: ProducerFixture['logged'] = [];
  const log = Object.fromEntries(
    ['debug', 'info', 'warn', 'error'].map((level) => [level, (fields: object, message: string) => logged.push({ level, fields, message })]),
  ) as unknown as Log;
  const producers: Producer[] = [];
  const replica = (own: Partial<ProducerOptions> = {}) => {
    const made = createProducer({ knex: store.knex, group: GROUP, tpc, log, ...QUIET, ...options, ...own });
    producers.push(made);
    return made;
  };
  const observer = store.observer ?? (store.knex.client.driverName === 'mysql2' ? store.second() : store.knex);
  const producer = replica();
  return {
    store,
    fake,
    tpc,
    producer,
    logged,
    replica,
    accounts: async () => (await observer('account').orderBy('name')).map((row) => row.name),
    outbox: async () => Object.fromEntries((await observer('tpc_outbox')).map((row) => [row.message_key, row])),
    close: async () => {
      fake.thaw();
      await Promise.all(producers.map((one) => one.stop(5_000)));
      tpc.close();
      fake.die();
      await store.drop();
    },
  };
}

/** The server makes its table of waits anew only when nobody has read it for 100 ms. */
const LOOK_EVERY_MS = 150;
const LOCK_WAIT_MS = 60_000;

/**
 * Waits until some transaction of the server waits for a lock.
 * @throws Error when none does in time
 */
export async function lockWait(db: Knex): Promise<void> {
  const waiting = async () => {
    // Of this test's own database: others' tests use the same server.
    const [rows] = await db.raw(`SELECT COUNT(*) AS n FROM information_schema.innodb_trx AS trx
JOIN information_schema.processlist AS process ON process.id = trx.trx_mysql_thread_id WHERE trx.trx_state = 'LOCK WAIT' AND process.db = DATABASE()`);
    return Number(rows[0].n) > 0;
  };
  await until('a transaction waits for a lock', waiting, LOCK_WAIT_MS, LOOK_EVERY_MS);
}
