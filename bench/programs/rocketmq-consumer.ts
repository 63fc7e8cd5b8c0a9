/** The peer's consumer: RocketMQ's push consumer, a row for each message; the key in the row is what makes a repeat harmless. */
import { openDatabase } from '@tpc/platform';
import { ConsumeResult, PushConsumer } from 'rocketmq-client-nodejs';
import { CONSUMER_POOL, TRANSACTION_GROUP, TRANSACTION_TOPIC } from '../settings.ts';
import { Arrivals } from './arrivals.ts';
import { serve, setting } from './serve.ts';
import { SILENT } from './silent.ts';

const knex = openDatabase({ url: setting('BENCH_DATABASE_URL'), poolMax: CONSUMER_POOL });
await knex.schema.createTable('rocketmq_done', (table) => {
  table.string('message_key', 64).primary();
  table.integer('bytes').notNullable();
});

const arrivals = new Arrivals();
const consumer = new PushConsumer({
  endpoints: setting('BENCH_BROKER'),
  namespace: '',
  consumerGroup: TRANSACTION_GROUP,
  subscriptions: new Map([[TRANSACTION_TOPIC, '*']]),
  logger: SILENT,
  messageListener: {
    async consume(message) {
      const [key = ''] = message.keys;
      arrivals.note('received', [key]);
      await knex.raw('INSERT IGNORE INTO rocketmq_done (message_key, bytes) VALUES (?, ?)', [key, message.body.length]);
      arrivals.note('consumed', [key]);
      return ConsumeResult.SUCCESS;
    },
  },
});
await consumer.startup();

serve({ count: () => arrivals.consumed, take: () => arrivals.take() }, async () => {
  await consumer.shutdown();
  await knex.destroy();
});
