import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRocketMqSubscriber, type ReceivedBrokerMessage } from '@tpc/broker';
import { type DeliveryProperties, decodeDeliveryProperties } from '@tpc/core';
import { type EmbeddedBroker, startEmbeddedBroker } from '@tpc/embedded';
import { vi } from 'vitest';
import type { TestTpc } from './support.ts';

/** A broker that can go away and come back with its messages, under one address. */
export type TestBroker = {
  endpoints: string;
  goAway(): Promise<void>;
  comeBack(): Promise<void>;
  drop(): Promise<void>;
};

export async function startTestBroker(): Promise<TestBroker> {
  const folder = mkdtempSync(join(tmpdir(), 'tpc-broker-'));
  const file = join(folder, 'broker.db');
  let broker: EmbeddedBroker | undefined = await startEmbeddedBroker({ file, port: 0 });
  const { port } = broker;
  const goAway = async () => {
    await broker?.stop();
    broker = undefined;
  };
  return {
    endpoints: `127.0.0.1:${port}`,
    goAway,
    comeBack: async () => {
      broker = await startEmbeddedBroker({ file, port });
    },
    drop: async () => {
      await goAway();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

type Arrived = DeliveryProperties & { topic: string; tag: string; text: string };

/** A consumer without the client library: receives, and reports by hand. */
export type TestConsumer = {
  group: string;
  arrived: Arrived[];
  /** Tells TPC what the group subscribes; also the heartbeat. */
  register(tpc: TestTpc, idle?: boolean): Promise<unknown>;
  /** Waits until a message of this key has come `times` times. */
  waitFor(messageKey: string, times?: number): Promise<Arrived>;
  stop(): Promise<void>;
};

export async function startTestConsumer(broker: TestBroker, group: string, topic = 'SEND_EMAIL_TOPIC', tags: string[] = []): Promise<TestConsumer> {
  const arrived: Arrived[] = [];
  const subscriber = createRocketMqSubscriber(
    { endpoints: broker.endpoints },
    {
      group,
      subscriptions: [{ topic, tags }],
      onBatch: async (messages) => {
        for (const message of messages) arrived.push(read(message));
      },
    },
  );
  subscriber.start();
  await subscriber.ready();
  const ofKey = (messageKey: string) => arrived.filter((message) => message.messageKey === messageKey);
  return {
    group,
    arrived,
    register: (tpc, idle = false) =>
      tpc.messages.registerConsumer({ consumerGroup: group, storeId: `inbox-${group}`, instanceId: 'i1', subscriptions: [{ topic, tags }], idle }),
    waitFor: (messageKey, times = 1) =>
      vi.waitFor(
        () => {
          const found = ofKey(messageKey);
          if (found.length < times) throw new Error(`${messageKey} came ${found.length} of ${times} times`);
          return found[times - 1] as Arrived;
        },
        { timeout: 20_000 },
      ),
    stop: () => subscriber.stop(1_000),
  };
}

function read(message: ReceivedBrokerMessage): Arrived {
  const delivery = decodeDeliveryProperties(message.properties);
  if (!delivery) throw new Error('not published by TPC');
  return { ...delivery, topic: message.topic, tag: message.tag, text: Buffer.from(message.body).toString('utf8') };
}
