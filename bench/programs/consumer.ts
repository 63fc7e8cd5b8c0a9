/** A service as users write it: a row of its own for each message, by the client library. One process for each way of handling. */
import { createRocketMqSubscriber } from '@tpc/broker';
import { type ConsumedMessage, connectTpc, createConsumer, type Handler, migrateClientStore } from '@tpc/client/consumer';
import { createLog, loadConfig, openDatabase, startTracing, tracingSettings } from '@tpc/platform';
import type { Knex } from 'knex';
import { z } from 'zod';
import { CONSUMER_CONCURRENCY, CONSUMER_POOL, groupOf, type Mode, topicOf } from '../settings.ts';
import { Arrivals } from './arrivals.ts';
import { serve, setting } from './serve.ts';

/** Most messages that one call of the batch handler takes. */
const MAX_BATCH = 128;

const mode = setting('BENCH_MODE') as Mode;
const topic = topicOf(mode);
const table = `bench_done_${mode}`;
const knex = openDatabase({ url: setting('BENCH_DATABASE_URL'), poolMax: CONSUMER_POOL, multipleStatements: true });
await migrateClientStore(knex);
await knex.schema.createTable(table, (columns) => {
  columns.string('message_key', 255).primary();
  columns.integer('bytes').notNullable();
});

const arrivals = new Arrivals();

/** Consumed means committed: not yet when the handler returns. */
async function store(tx: Knex.Transaction, messages: readonly ConsumedMessage[]): Promise<void> {
  const keys = messages.map(({ messageKey }) => messageKey);
  tx.executionPromise.then(
    () => arrivals.note('consumed', keys),
    () => undefined,
  );
  await tx(table).insert(messages.map(({ messageKey, body }) => ({ message_key: messageKey, bytes: body.length })));
}

const handler: Handler = mode === 'batch' ? { handleBatch: store, maxBatch: MAX_BATCH } : { handle: (tx, message) => store(tx, [message]) };
const log = createLog({ service: 'consumer', level: 'info', format: 'json' });
const tracing = await startTracing({ service: 'consumer', config: loadConfig(z.object(tracingSettings), process.env), log });
const tpc = connectTpc({ address: setting('BENCH_TPC') });
const consumer = createConsumer({
  knex,
  group: groupOf(mode),
  tpc,
  log,
  ...(tracing ? { tracer: tracing.tracer } : {}),
  subscribe: (options) =>
    createRocketMqSubscriber(
      { endpoints: setting('BENCH_BROKER'), logger: log },
      {
        ...options,
        onBatch: async (messages) => {
          const keys = messages.flatMap((message) => message.keys.slice(0, 1));
          arrivals.note('received', keys);
          for (const {
            keys: [key],
            storedAt,
          } of messages)
            if (key !== undefined && storedAt !== undefined) arrivals.note('broker', [key], storedAt);
          await options.onBatch(messages);
          arrivals.note('inbox', keys);
        },
      },
    ),
  subscriptions: [{ topic, tags: [] }],
  handlers: { [topic]: handler },
  ...(mode === 'single' ? { concurrency: CONSUMER_CONCURRENCY } : {}),
});
await consumer.start();

serve(
  {
    ready: () => consumer.registered(),
    state: () => consumer.state(),
    count: () => arrivals.consumed,
    take: () => arrivals.take(),
  },
  async () => {
    await consumer.stop(5_000);
    tpc.close();
    await knex.destroy();
    await tracing?.stop();
  },
);
