import { randomUUID } from 'node:crypto';
import {
  type BrokerPublisher,
  type BrokerSubscriber,
  type BrokerSubscription,
  createRocketMqPublisher,
  createRocketMqSubscriber,
  type OutgoingBrokerMessage,
  type ReceivedBrokerMessage,
} from '@tpc/broker';
import { vi } from 'vitest';

/** A running broker. Stopping it and making it again must bring back the same state at the same address. */
export type BrokerUnderTest = {
  /** `host:port` of the gRPC port. */
  endpoints: string;
  /** Makes topics and consumer groups, where the broker does not make them by itself. */
  prepare?: (names: { topics: string[]; groups: string[] }) => Promise<void>;
  stop(): Promise<void>;
};

/** Times that the broker under test allows; the defaults are RocketMQ's shortest. */
export type BrokerTimes = {
  /** Invisible time of received messages, milliseconds. */
  invisibleMs: number;
  /** Long poll, milliseconds. */
  pollMs: number;
  /** How long to wait for something that must happen, milliseconds. */
  patienceMs: number;
};

export const ROCKETMQ_TIMES: BrokerTimes = { invisibleMs: 10_000, pollMs: 5_000, patienceMs: 60_000 };

type Handler = (messages: readonly ReceivedBrokerMessage[]) => Promise<void>;

/** What the tests of one broker share: the broker, and all that they opened on it. */
export class BrokerFixture {
  readonly times: BrokerTimes;
  readonly #make: () => Promise<BrokerUnderTest>;
  #broker: BrokerUnderTest | undefined;
  #endpoints = '';
  #opened: (BrokerPublisher | BrokerSubscriber)[] = [];

  constructor(make: () => Promise<BrokerUnderTest>, times: BrokerTimes) {
    this.#make = make;
    this.times = times;
  }

  async startBroker(): Promise<void> {
    this.#broker = await this.#make();
    this.#endpoints = this.#broker.endpoints;
  }

  async stopBroker(): Promise<void> {
    await this.#broker?.stop();
    this.#broker = undefined;
  }

  get brokerRuns(): boolean {
    return this.#broker !== undefined;
  }

  /** New topics and groups with names that no other test uses. */
  async names(count: { topics: number; groups: number }): Promise<{ topics: string[]; groups: string[] }> {
    const tag = randomUUID().slice(0, 8);
    const topics = Array.from({ length: count.topics }, (_, index) => `T_${tag}_${index}`);
    const groups = Array.from({ length: count.groups }, (_, index) => `G_${tag}_${index}`);
    await this.#broker?.prepare?.({ topics, groups });
    return { topics, groups };
  }

  publisher(topics: readonly string[] = []): BrokerPublisher {
    const publisher = createRocketMqPublisher({ endpoints: this.#endpoints, requestTimeoutMs: 2_000, topics });
    this.#opened.push(publisher);
    publisher.start();
    return publisher;
  }

  subscriber(group: string, subscriptions: readonly BrokerSubscription[], onBatch: Handler): BrokerSubscriber {
    const { invisibleMs, pollMs } = this.times;
    const connection = { endpoints: this.#endpoints, requestTimeoutMs: 2_000 };
    const subscriber = createRocketMqSubscriber(connection, { group, subscriptions, onBatch, invisibleMs, pollMs });
    this.#opened.push(subscriber);
    subscriber.start();
    return subscriber;
  }

  /** A subscriber that keeps what it receives, ready. */
  async collect(group: string, subscriptions: readonly BrokerSubscription[]): Promise<ReceivedBrokerMessage[]> {
    const received: ReceivedBrokerMessage[] = [];
    const subscriber = this.subscriber(group, subscriptions, async (messages) => {
      received.push(...messages);
    });
    await subscriber.ready();
    return received;
  }

  /** Waits for a condition. */
  async until(what: string, condition: () => boolean): Promise<void> {
    await vi.waitUntil(condition, { timeout: this.times.patienceMs, interval: 10 }).catch(() => {
      throw new Error(`did not happen: ${what}`);
    });
  }

  /** Ends everything that the test opened. */
  async closeAll(): Promise<void> {
    const opened = this.#opened;
    this.#opened = [];
    await Promise.all(opened.map((each) => each.stop(1_000)));
  }
}

export function message(topic: string, text: string, more: Partial<OutgoingBrokerMessage> = {}): OutgoingBrokerMessage {
  return { topic, tag: '', keys: [text], body: Buffer.from(text), properties: {}, ...more };
}

export function texts(messages: readonly ReceivedBrokerMessage[]): string[] {
  return messages.map(({ body }) => Buffer.from(body).toString());
}
