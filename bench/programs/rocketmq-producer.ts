/** The peer: a service that uses RocketMQ's own transactional message. Half message, business transaction, commit of the message. */
import { openDatabase } from '@tpc/platform';
import { Producer } from 'rocketmq-client-nodejs';
import definition from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/definition_pb.js';
import { now } from '../clock.ts';
import { body, PRODUCER_POOL, TRANSACTION_TOPIC } from '../settings.ts';
import { Callers, type Load, nextId, type Sent, type SentTable } from './callers.ts';
import { serve, setting } from './serve.ts';
import { SILENT } from './silent.ts';

const { TransactionResolution } = definition;
const knex = openDatabase({ url: setting('BENCH_DATABASE_URL'), poolMax: PRODUCER_POOL });
await knex.schema.createTable('rocketmq_order', (table) => {
  table.bigIncrements('id');
  // What the broker's check-back looks for: this peer's outbox.
  table.string('message_key', 64).notNullable().unique();
  table.string('customer', 64).notNullable();
  table.integer('cents').notNullable();
});

const producer = new Producer({
  endpoints: setting('BENCH_BROKER'),
  namespace: '',
  topic: TRANSACTION_TOPIC,
  logger: SILENT,
  checker: {
    async check(message) {
      const found = await knex('rocketmq_order')
        .where('message_key', message.keys[0] ?? '')
        .first('id');
      return found === undefined ? TransactionResolution.ROLLBACK : TransactionResolution.COMMIT;
    },
  },
});
await producer.startup();

const callers = new Callers();
const content = Buffer.from(body());

async function order(): Promise<Sent> {
  const begun = now();
  const id = nextId();
  const transaction = producer.beginTransaction();
  await producer.send({ topic: TRANSACTION_TOPIC, tag: 'PAID', keys: [id], body: content }, transaction);
  await knex.transaction((tx) => tx('rocketmq_order').insert({ message_key: id, customer: 'somebody', cents: 1_999 }));
  const committed = now();
  await transaction.commit();
  return { id, begun, committed };
}

serve(
  {
    run: ({ load }: { load: Load }): Promise<SentTable> => callers.run(load, order),
    consumed: (count: number) => callers.noteConsumed(count),
  },
  async () => {
    await producer.shutdown();
    await knex.destroy();
  },
);
