/**
 * A consumer process for the test of poison messages. It ends itself with code 9 when it handles the message `poison`, and with 0 once
 * nothing in its inbox is open. Argument: JSON {client, connection, publish}.
 */
import { run } from '@tpc/core';
import knexFactory from 'knex';
import { connectTpc } from '../src/connection/index.ts';
import { createConsumer } from '../src/consumer/consumer.ts';
import { MemoryBroker } from '../src/testing/memory-broker.ts';

const { client, connection, publish } = JSON.parse(process.argv[2] as string) as { client: string; connection: object; publish: string[] };
const knex = knexFactory({ client, connection, useNullAsDefault: true, pool: { min: 0, max: client === 'mysql2' ? 4 : 1 } });
const broker = new MemoryBroker();
const consumer = createConsumer({
  knex,
  group: 'CID_TEST',
  tpc: connectTpc({ address: '127.0.0.1:1' }),
  subscribe: broker.subscribe,
  subscriptions: [{ topic: 'T', tags: [] }],
  handlers: {
    T: {
      handle: async (tx, message) => {
        if (message.messageKey === 'poison') process.exit(9);
        await tx('effect').insert({ message_key: message.messageKey, by: String(process.pid) });
      },
    },
  },
  leaseMs: 150,
  sweepMs: 20,
  poisonAfter: 2,
});
await consumer.start();
broker.deliver(...publish.map((messageKey) => ({ messageKey, topic: 'T', body: 'x' })));
for (;;) {
  await new Promise((resolve) => setTimeout(resolve, 20));
  const { rows } = await run<{ n: number }>(knex, 'SELECT COUNT(*) AS n FROM tpc_inbox WHERE state = 10');
  const { stored } = consumer.state().counters;
  if (stored >= publish.length && Number(rows[0]?.n) === 0) process.exit(0);
}
