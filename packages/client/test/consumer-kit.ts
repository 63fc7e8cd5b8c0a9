import { run } from '@tpc/core';
import type { Knex } from 'knex';
import { connectTpc, type TpcConnection } from '../src/connection/index.ts';
import { createConsumer } from '../src/consumer/consumer.ts';
import type { ClaimedRow, InboxRow } from '../src/consumer/domain/inbox-row.ts';
import { storeArrivals } from '../src/consumer/receive/store-arrivals.ts';
import type { Report } from '../src/consumer/store/report-inbox.ts';
import type { Consumer, ConsumerOptions, Handler } from '../src/consumer/types.ts';
import { silentLog } from '../src/log.ts';
import { migrateClientStore } from '../src/migrations/index.ts';
import { FakeTpc } from '../src/testing/fake-tpc.ts';
import { MemoryBroker } from '../src/testing/memory-broker.ts';
import type { TestStore } from './stores.ts';

export const GROUP = 'CID_TEST';
export const TOPIC = 'MAIL_TOPIC';

/** Short enough for a test to wait for, long enough for a busy machine. */
const QUICK = { leaseMs: 10_000, sweepMs: 25, reportRepeatMs: 400, registerRetryMs: 25, reportLingerMs: 5 } as const;
const QUICK_RETRY = { firstWaitMs: 20, factor: 1, maxWaitMs: 20, jitter: 0, maxAttempts: 3 } as const;

/** One test's world: a database, a broker, a TPC, and the consumers that it starts. */
export class TestBed {
  readonly store: TestStore;
  readonly broker = new MemoryBroker();
  readonly tpc: FakeTpc;
  readonly #connections: TpcConnection[] = [];
  readonly #consumers: Consumer[] = [];

  private constructor(store: TestStore, tpc: FakeTpc) {
    this.store = store;
    this.tpc = tpc;
  }

  static async open(makeStore: () => Promise<TestStore>): Promise<TestBed> {
    const store = await makeStore();
    await migrateClientStore(store.knex);
    await store.knex.schema.createTable('effect', (table) => {
      table.increments('id');
      table.string('message_key', 160);
      table.string('by', 64);
    });
    return new TestBed(store, await new FakeTpc().start());
  }

  async close(): Promise<void> {
    await Promise.all(this.#consumers.map((consumer) => consumer.stop(1_000)));
    for (const connection of this.#connections) connection.close();
    this.tpc.die();
    await this.store.drop();
  }

  get #observer(): Knex {
    return this.store.observer ?? this.store.knex;
  }

  /** A consumer on this world that is not started. */
  make(handler: Handler, options: Partial<ConsumerOptions> = {}): Consumer {
    const tpc = connectTpc({ address: this.tpc.address });
    this.#connections.push(tpc);
    const consumer = createConsumer({
      knex: this.store.knex,
      group: GROUP,
      tpc,
      subscribe: this.broker.subscribe,
      subscriptions: [{ topic: TOPIC, tags: [] }],
      handlers: { [TOPIC]: handler },
      retry: QUICK_RETRY,
      log: silentLog,
      ...QUICK,
      ...options,
    });
    this.#consumers.push(consumer);
    return consumer;
  }

  /** A consumer that has started and is registered. */
  async run(handler: Handler, options: Partial<ConsumerOptions> = {}): Promise<Consumer> {
    const consumer = this.make(handler, options);
    await consumer.start();
    await consumer.registered();
    return consumer;
  }

  async inbox(messageKey: string, generation = 1): Promise<Record<string, unknown> | undefined> {
    return this.#observer('tpc_inbox').where({ message_key: messageKey, generation }).first();
  }

  async effects(messageKey: string): Promise<Record<string, unknown>[]> {
    return this.#observer('tpc_inbox_effect').where({ message_key: messageKey }).orderBy('effect_key');
  }

  /** How often the message took effect in the business's table. */
  async took(messageKey: string): Promise<number> {
    const { rows } = await run<{ n: number }>(this.#observer, 'SELECT COUNT(*) AS n FROM effect WHERE message_key = ?', [messageKey]);
    return Number(rows[0]?.n);
  }

  /** Keys that TPC has heard in calls of one kind, in order, with repeats. */
  heard(kind: 'received' | 'consumed' | 'failed'): (Pick<Report, 'messageKey' | 'generation'> & { reason?: string; detail?: string })[] {
    if (kind === 'failed') {
      const failures = this.tpc.callsOf('batchReportConsumeFailure').flatMap((call) => (call.request as { failures: Failure[] }).failures);
      return failures.map(({ delivery, reason, detail }) => ({ ...delivery, reason, detail }));
    }
    const method = kind === 'received' ? 'batchConfirmReceiveMessage' : 'batchConfirmConsumedMessage';
    return this.tpc.callsOf(method).flatMap((call) => (call.request as { deliveries: Failure['delivery'][] }).deliveries);
  }
}

type Failure = { delivery: { messageKey: string; generation: number }; reason: string; detail: string };

/** What a handler of the tests does: one row of the business. */
export async function takeEffect(tx: Knex.Transaction, message: { messageKey: string }, by = 'test'): Promise<void> {
  await tx('effect').insert({ message_key: message.messageKey, by });
}

function row(messageKey: string): InboxRow {
  const nothing = { brokerMessageId: '', tag: '', contentType: '', headers: {}, traceparent: '', tracestate: '', attempts: 0, openEffects: 0 };
  return { ...nothing, messageKey, generation: 1, producerGroup: 'P', topic: TOPIC, body: Buffer.from('x') };
}

/** Stores messages as a process that dies right after: claimed, and never handled. */
export async function storeAndDie(knex: Knex, keys: readonly string[], leaseMs: number): Promise<ClaimedRow[]> {
  const rows = keys.map((key) => ({ ...row(key), claim: `dead-${key}`, leaseUntil: performance.now() + leaseMs }));
  const items = rows.map((claimed) => ({ row: claimed, claim: claimed.claim, dead: undefined }));
  await storeArrivals(knex, GROUP, items, { leaseMs, reportAfterMs: 100 });
  return rows;
}
