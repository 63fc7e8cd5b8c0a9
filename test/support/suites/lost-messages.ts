/** What becomes of messages that a broker gave to nobody, or to the wrong one: consumers by the library, TPC, and the broker under test. */

import { randomUUID } from 'node:crypto';
import { createRocketMqSubscriber } from '@tpc/broker';
import { type Consumer, connectTpc, createConsumer, migrateClientStore } from '@tpc/client/consumer';
import { MessageState } from '@tpc/gen/tpc/v1/message';
import { openDatabase } from '@tpc/platform';
import type { Knex } from 'knex';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { outgoing, sqliteDatabase, startTestTpc, type TestTpc } from '../../../services/tpc/test/support.ts';
import { until } from '../until.ts';

export type LossPlace = {
  endpoints: string;
  /** Makes topics and group, where the broker does not make them by itself. */
  prepare(topics: string[], group: string): Promise<void>;
  drop(): Promise<void>;
};

const PRODUCER = 'PID_LOSS';
const HEARTBEAT_MS = 300;
const PATIENCE_MS = 90_000;
const COUNT = 30;

type Subscriptions = { topic: string; tags: string[] }[];

export function exerciseLosses(name: string, open: () => Promise<LossPlace>): void {
  describe(`a message that ${name} has lost for a group`, { timeout: 2 * PATIENCE_MS }, () => {
    const closing: (() => Promise<unknown>)[] = [];
    const opened: (() => Promise<unknown>)[] = [];
    let place: LossPlace;
    let knex: Knex;
    let tpc: TestTpc;
    /** Keys of what was handled, by topic. */
    let handled: Map<string, Set<string>>;

    beforeAll(async () => {
      place = await open();
      closing.push(() => place.drop());
      const database = await sqliteDatabase();
      closing.push(() => database.drop());
      knex = openDatabase({ url: 'sqlite::memory:' });
      closing.push(() => knex.destroy());
      await migrateClientStore(knex);
      tpc = await startTestTpc({
        TPC_DATABASE_URL: database.url,
        BROKER_ENDPOINTS: place.endpoints,
        TPC_HEARTBEAT_INTERVAL_MS: String(HEARTBEAT_MS),
        TPC_REDELIVER_FIRST_MS: '500',
        TPC_REDELIVER_MAX_MS: '1000',
        TPC_REDELIVER_PASSED_MS: '1000',
      });
      closing.push(() => tpc.stop());
    }, 180_000);
    afterAll(async () => {
      for (const close of closing.reverse()) await close();
    });
    afterEach(async () => {
      for (const close of opened.splice(0).reverse()) await close();
    });

    async function names(count: number): Promise<{ group: string; topics: string[] }> {
      const tag = randomUUID().slice(0, 8);
      const topics = Array.from({ length: count }, (_, n) => `T_LOSS_${tag}_${n}`);
      await place.prepare(topics, `G_LOSS_${tag}`);
      handled = new Map(topics.map((topic) => [topic, new Set()]));
      return { group: `G_LOSS_${tag}`, topics };
    }

    async function startConsumer(group: string, subscriptions: Subscriptions): Promise<Consumer> {
      const connection = connectTpc({ address: `127.0.0.1:${tpc.service.grpcPort}` });
      const handle = async (_tx: unknown, message: { topic: string; messageKey: string }) => void handled.get(message.topic)?.add(message.messageKey);
      const consumer = createConsumer({
        knex,
        group,
        tpc: connection,
        subscribe: (options) => createRocketMqSubscriber({ endpoints: place.endpoints }, { ...options, invisibleMs: 10_000 }),
        subscriptions,
        handlers: Object.fromEntries(subscriptions.map(({ topic }) => [topic, { handle }])),
      });
      opened.push(async () => {
        await consumer.stop(2_000);
        connection.close();
      });
      await consumer.start();
      await consumer.registered();
      return consumer;
    }

    /** @returns the message's key */
    async function send(topic: string, tag = ''): Promise<string> {
      const messageKey = `${PRODUCER}:${randomUUID()}`;
      await tpc.messages.saveAndSendMessage({ producerGroup: PRODUCER, message: outgoing({ messageKey, topic, tag }), committed: true });
      return messageKey;
    }

    /** Takes what the broker has of a topic for the group, acknowledges it, and forgets it. */
    async function swallow(group: string, topic: string, messageKey: () => Promise<string>): Promise<void> {
      const swallowed = new Set<string>();
      const subscriber = createRocketMqSubscriber(
        { endpoints: place.endpoints },
        {
          group,
          subscriptions: [{ topic, tags: [] }],
          onBatch: async (messages) => {
            for (const { keys } of messages) swallowed.add(keys[0] as string);
          },
          invisibleMs: 10_000,
        },
      );
      subscriber.start();
      await subscriber.ready();
      const key = await messageKey();
      await until('the message is swallowed', () => swallowed.has(key), PATIENCE_MS);
      await subscriber.stop(5_000);
    }

    it('on a quiet topic arrives though the group never rests on another one', async () => {
      const { group, topics } = await names(2);
      const [busy, quiet] = topics as [string, string];
      const subscriptions = topics.map((topic) => ({ topic, tags: [] }));
      await (await startConsumer(group, subscriptions)).stop(5_000);
      let lost = '';
      await swallow(group, quiet, async () => {
        lost = await send(quiet);
        return lost;
      });
      let sending = true;
      const stream = (async () => {
        while (sending) await send(busy);
      })();
      const consumer = await startConsumer(group, subscriptions);
      await until('the busy topic flows', () => (handled.get(busy)?.size ?? 0) > 20, PATIENCE_MS);
      let rested = false;
      const look = setInterval(() => {
        rested ||= consumer.state().broker?.idle ?? true;
      }, 5);
      try {
        await until('the lost message arrives', () => handled.get(quiet)?.has(lost), PATIENCE_MS);
        expect(rested).toBe(false);
      } finally {
        clearInterval(look);
        sending = false;
        await stream;
      }
    });

    it('to an instance that lacks the tag arrives soon after that instance has gone, and the difference is named meanwhile', async () => {
      const { group, topics } = await names(1);
      const [topic] = topics as [string];
      const [narrow, wide] = [[{ topic, tags: ['A'] }], [{ topic, tags: ['A', 'B'] }]];
      await (await startConsumer(group, wide)).stop(5_000);
      const old = await startConsumer(group, narrow);
      const sent = await Promise.all(Array.from({ length: COUNT }, () => send(topic, 'B')));
      // A sign that the old instance has passed them all.
      const sign = await send(topic, 'A');
      await until('the old instance goes on', () => handled.get(topic)?.has(sign), PATIENCE_MS);
      const next = await startConsumer(group, wide);
      const differing = [`${topic}:B`];
      await until(
        'both are told',
        () => [old, next].every((one) => one.state().subscriptionFaults.differing.join() === differing.join()),
        PATIENCE_MS,
      );
      const { consumerGroups } = await tpc.admin.listConsumerGroups({ attentionOnly: true });
      expect(consumerGroups).toMatchObject([{ name: group, differingSubscriptions: differing, untakenSubscriptions: [] }]);
      await until('the new one is idle', () => next.state().broker?.idle, PATIENCE_MS);
      await old.stop(5_000);
      await until('all have arrived', () => sent.every((key) => handled.get(topic)?.has(key)), PATIENCE_MS);
      await until('the end is told', () => next.state().subscriptionFaults.differing.length === 0, PATIENCE_MS);
      expect((await tpc.admin.listConsumerGroups({ attentionOnly: true })).consumerGroups).toEqual([]);
    });

    it('since nobody of the group takes its tag any more is named, stays SENDING, and arrives when somebody takes it again', async () => {
      const { group, topics } = await names(1);
      const [topic] = topics as [string];
      const wide = [{ topic, tags: ['A', 'B'] }];
      await (await startConsumer(group, wide)).stop(5_000);
      const narrow = await startConsumer(group, [{ topic, tags: ['A'] }]);
      const lost = await send(topic, 'B');
      await until('the group is told', () => narrow.state().subscriptionFaults.untaken.join() === `${topic}:B`, PATIENCE_MS);
      const needsAttention = async () => (await tpc.admin.listMessages({ attentionOnly: true, topic })).messages;
      const [message] = await until(
        'the message is named',
        async () => {
          const found = await needsAttention();
          return found.length > 0 && found;
        },
        PATIENCE_MS,
      );
      expect(message).toMatchObject({ messageKey: lost, state: MessageState.MESSAGE_STATE_SENDING, reason: 'TAG_NOT_TAKEN' });
      const { confirms, timeline } = await tpc.admin.getMessage({ messageKey: lost });
      expect(confirms).toMatchObject([{ consumerGroup: group, dead: false, reason: 'TAG_NOT_TAKEN' }]);
      expect(timeline.filter(({ kind }) => kind === 'TAG_NOT_TAKEN')).toMatchObject([
        { consumerGroup: group, detail: expect.stringContaining('"B"') },
      ]);
      await narrow.stop(5_000);
      await startConsumer(group, wide);
      await until('it arrives', () => handled.get(topic)?.has(lost), PATIENCE_MS);
      await until('it needs no attention', async () => (await needsAttention()).length === 0, PATIENCE_MS);
    });
  });
}
