/** A service as users write it: a row of its own and a message, in one transaction, by the client library. */
import { connectTpc, createProducer, migrateClientStore } from '@tpc/client/producer';
import { createLog, loadConfig, openDatabase, startTracing, tracingSettings } from '@tpc/platform';
import { z } from 'zod';
import { now } from '../clock.ts';
import { body, MODES, type Mode, PREPARE_BUDGET_MS, PRODUCER_GROUP, PRODUCER_POOL, topicOf } from '../settings.ts';
import { Callers, type Load, type SentTable, timed } from './callers.ts';
import { serve, setting } from './serve.ts';

const knex = openDatabase({ url: setting('BENCH_DATABASE_URL'), poolMax: PRODUCER_POOL, multipleStatements: true });
await migrateClientStore(knex);
await knex.schema.createTable('bench_order', (table) => {
  table.bigIncrements('id');
  table.string('customer', 64).notNullable();
  table.integer('cents').notNullable();
});

/** Messages of the last run that committed without TPC's answer to prepare: it was too slow, or away. */
let unprepared = 0;
let confirmed = new Map<string, number>();
const log = createLog({ service: 'producer', level: 'info', format: 'json' });
const tracing = await startTracing({ service: 'producer', config: loadConfig(z.object(tracingSettings), process.env), log });
const tpc = connectTpc({ address: setting('BENCH_TPC') });
const producer = createProducer({
  knex,
  group: PRODUCER_GROUP,
  tpc,
  prepareBudgetMs: PREPARE_BUDGET_MS,
  log,
  ...(tracing ? { tracer: tracing.tracer } : {}),
  topics: MODES.map(topicOf),
  onEvent: (event) => {
    if (event.type === 'confirm' && event.outcome === 'acknowledged') confirmed.set(event.messageKey, now());
    if (event.type === 'prepare' && event.outcome !== 'prepared') unprepared++;
  },
});
await producer.start();

const callers = new Callers();
const content = body();

function order(mode: Mode): Promise<string> {
  return producer.transaction(async (tx, outbox) => {
    const [key] = await Promise.all([
      outbox.add({ topic: topicOf(mode), tag: 'PAID', body: content, contentType: 'application/json' }),
      tx('bench_order').insert({ customer: 'somebody', cents: 1_999 }),
    ]);
    return key;
  });
}

serve(
  {
    state: () => producer.state(),
    run: async ({ mode, load }: { mode: Mode; load: Load }): Promise<SentTable & { unprepared: number }> => {
      unprepared = 0;
      const table = await callers.run(load, () => timed(() => order(mode)));
      return { ...table, unprepared };
    },
    /** Times of the confirms of these messages; asked for when all are consumed, since nobody waits for them. */
    confirmed: (ids: string[]): Float64Array => {
      const times = Float64Array.from(ids, (id) => confirmed.get(id) ?? Number.NaN);
      confirmed = new Map();
      return times;
    },
    consumed: (count: number) => callers.noteConsumed(count),
  },
  async () => {
    await producer.stop(5_000);
    tpc.close();
    await knex.destroy();
    await tracing?.stop();
  },
);
