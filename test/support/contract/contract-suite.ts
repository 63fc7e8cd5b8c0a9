/** Random messages that library and TPC accept, on their whole way: outbox, TPC's database, broker, consumer, and once more as a redelivery. */

import { randomUUID } from 'node:crypto';
import { createRocketMqSubscriber, type ReceivedBrokerMessage } from '@tpc/broker';
import { connectTpc, createProducer, migrateClientStore, type OutboxMessage } from '@tpc/client/producer';
import { type DeliveryProperties, decodeDeliveryProperties, MAX_NAME_LENGTH } from '@tpc/core';
import { MessageState } from '@tpc/gen/tpc/v1/message';
import { openDatabase } from '@tpc/platform';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkMessage } from '../../../packages/client/src/producer/domain/message.ts';
import { startTestTpc, type TestTpc } from '../../../services/tpc/test/support.ts';
import { until } from '../until.ts';
import { anyMessage, GROUP, largestMessage, TOPIC } from './random-messages.ts';

export type ContractPlace = {
  endpoints: string;
  tpcUrl: string;
  outboxUrl: string;
  /** Makes topic and group, where the broker does not make them by itself. */
  prepare(topic: string, group: string): Promise<void>;
  drop(): Promise<void>;
};

const CONSUMER = `C_${randomUUID().slice(0, 8)}`.padEnd(MAX_NAME_LENGTH, 'c');
const COUNT = 60;
const PER_TRANSACTION = 10;
const LARGEST_TRACE = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', tracestate: `a=${'b'.repeat(510)}` };

type Arrived = DeliveryProperties & { tag: string; body: Buffer };

export function exerciseContract(name: string, open: () => Promise<ContractPlace>): void {
  describe(`what library and TPC accept, through ${name},`, { timeout: 180_000 }, () => {
    let place: ContractPlace;
    let tpc: TestTpc;
    const arrived: Arrived[] = [];
    const closing: (() => Promise<unknown>)[] = [];

    beforeAll(async () => {
      place = await open();
      closing.push(() => place.drop());
      await place.prepare(TOPIC, CONSUMER);
      tpc = await startTestTpc({ TPC_DATABASE_URL: place.tpcUrl, BROKER_ENDPOINTS: place.endpoints });
      closing.push(() => tpc.stop());
      const subscriptions = [{ topic: TOPIC, tags: [] }];
      const onBatch = async (messages: readonly ReceivedBrokerMessage[]) => void arrived.push(...messages.map(read));
      const subscriber = createRocketMqSubscriber({ endpoints: place.endpoints }, { group: CONSUMER, subscriptions, onBatch });
      subscriber.start();
      closing.push(() => subscriber.stop(1_000));
      await subscriber.ready();
      await tpc.messages.registerConsumer({ consumerGroup: CONSUMER, storeId: 'in', instanceId: 'c1', subscriptions });
    }, 180_000);
    afterAll(async () => {
      for (const close of closing.reverse()) await close();
    });

    /** Commits messages by the library. @returns their keys */
    async function commit(messages: readonly OutboxMessage[]): Promise<string[]> {
      const knex = openDatabase({ url: place.outboxUrl });
      await migrateClientStore(knex);
      const connection = connectTpc({ address: `127.0.0.1:${tpc.service.grpcPort}` });
      const producer = createProducer({ knex, group: GROUP, tpc: connection, prepareBudgetMs: 20_000, traceContext: () => LARGEST_TRACE });
      await producer.start();
      const keys: string[] = [];
      for (let at = 0; at < messages.length; at += PER_TRANSACTION) {
        const some = messages.slice(at, at + PER_TRANSACTION);
        await producer.transaction(async (_tx, outbox) => {
          for (const message of some) keys.push(await outbox.add(message));
        });
      }
      await until('all are acknowledged', async () => (await knex('tpc_outbox').where({ state: 10 })).length === 0, 60_000);
      expect(await knex('tpc_outbox').whereNot({ reason: '' }).select('message_key', 'reason')).toEqual([]);
      await producer.stop(5_000);
      connection.close();
      await knex.destroy();
      return keys;
    }

    it('and what another program wrote into the outbox against the rules is stored DEAD, and acknowledged', async () => {
      const knex = openDatabase({ url: place.outboxUrl });
      await migrateClientStore(knex);
      const connection = connectTpc({ address: `127.0.0.1:${tpc.service.grpcPort}` });
      const producer = createProducer({ knex, group: GROUP, tpc: connection, sweep: { enabled: false } });
      const row = { producer_group: GROUP, state: 10, send_type: 2, topic: TOPIC, body: Buffer.from('x'), created_at: 1, due_at: 1 };
      const keys = [`${GROUP}:${randomUUID()}`, `OLD_NAME:${randomUUID()}`] as const;
      await knex('tpc_outbox').insert({ ...row, message_key: keys[0], headers: Buffer.from('{"a":"x\\ty"}') });
      await knex('tpc_outbox').insert({ ...row, message_key: keys[1] });
      expect(await producer.sweepOnce()).toEqual({ claimed: 2, sent: 2, failed: 0 });
      const rows = await knex('tpc_outbox').whereIn('message_key', keys).select('state', 'reason');
      expect(rows).toEqual([20, 20].map((state) => ({ state, reason: 'CONTENT_INVALID' })));
      const { messages } = await tpc.admin.listMessages({ states: [MessageState.MESSAGE_STATE_DEAD], attentionOnly: true });
      expect(messages.map(({ messageKey }) => messageKey.replace(/#.*/, '')).sort()).toEqual([...keys].sort());
      await knex('tpc_outbox').whereIn('message_key', keys).delete();
      await producer.stop(5_000);
      connection.close();
      await knex.destroy();
    });

    it('is published, redelivered and stored as it was handed over', async () => {
      const seed = Math.floor(Math.random() * 2 ** 31);
      const random = fc.sample(anyMessage(TOPIC).filter(isAccepted), { numRuns: COUNT, seed });
      const messages = [largestMessage(randomUUID()), ...random.map(withOwnKey)];
      const keys = await commit(messages);
      const times = (count: number) => () => keys.every((key) => arrived.filter(({ messageKey }) => messageKey === key).length >= count);
      await until(`all arrive (seed ${seed})`, times(1), 60_000);
      await Promise.all(keys.map((messageKey) => tpc.admin.resendMessage({ messageKey, consumerGroups: [CONSUMER] })));
      await until(`all arrive again (seed ${seed})`, times(2), 60_000);
      for (const [index, key] of keys.entries()) {
        const { tag, body, contentType, headers } = checkMessage(messages[index] as OutboxMessage, GROUP);
        const copies = arrived.filter(({ messageKey }) => messageKey === key);
        for (const copy of copies) expect(copy, `seed ${seed}`).toMatchObject({ producerGroup: GROUP, tag, contentType, headers, ...LARGEST_TRACE });
        for (const copy of copies) expect(copy.headers).toEqual(headers);
        for (const copy of copies) expect(copy.body.equals(body)).toBe(true);
        expect(copies.some(({ onlyGroup }) => onlyGroup === CONSUMER)).toBe(true);
        const { message, data, text } = await tpc.admin.getMessage({ messageKey: key, includeBody: true });
        expect(message, `seed ${seed}`).toMatchObject({ state: MessageState.MESSAGE_STATE_SENDING, tag, contentType });
        expect(message?.headers).toEqual(headers);
        expect((data ?? Buffer.from(text ?? '')).equals(body)).toBe(true);
      }
    });
  });
}

function isAccepted(message: OutboxMessage): boolean {
  try {
    checkMessage(message, GROUP);
    return true;
  } catch {
    return false;
  }
}

/** A shrunk or repeated example must not meet the key of another one. */
function withOwnKey(message: OutboxMessage): OutboxMessage {
  return message.key === undefined ? message : { ...message, key: `${GROUP}:${randomUUID()}` };
}

function read({ properties, tag, body }: ReceivedBrokerMessage): Arrived {
  const delivery = decodeDeliveryProperties(properties);
  if (!delivery) throw new Error('not published by TPC');
  return { ...delivery, tag, body: Buffer.from(body) };
}
