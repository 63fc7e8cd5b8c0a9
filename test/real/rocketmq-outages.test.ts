import {
  type BrokerPublisher,
  type BrokerSubscriber,
  createRocketMqPublisher,
  createRocketMqSubscriber,
  type OutgoingBrokerMessage,
} from '@tpc/broker';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type SwallowingProxy, startSwallowingProxy } from '../support/network/swallowing-proxy.ts';
import { realStack } from '../support/real-stack.ts';
import { TestStack } from '../support/test-stack.ts';
import { until } from '../support/until.ts';

const BATCH = 10;
const EVERY_MS = 50;
const FROZEN_MS = 25_000;
const CUT_MS = 15_000;
/** Where the broker says that it is: the way to it that can be cut. */
const WAY = '127.0.0.2';

/** A steady stream through the adapter: what the broker acknowledged, what arrived, and when. */
class Stream {
  readonly publisher: BrokerPublisher;
  readonly subscribers: BrokerSubscriber[];
  readonly acknowledged = new Set<string>();
  readonly arrived = new Map<string, number>();
  /** Longest wait for an outcome, milliseconds. */
  slowest = 0;
  lastArrival = 0;
  lastAcknowledgement = 0;
  readonly #topic: string;
  #running = true;
  #pumping: Promise<void> = Promise.resolve();
  #next = 0;

  constructor(endpoints: string, topic: string, group: string) {
    this.#topic = topic;
    this.publisher = createRocketMqPublisher({ endpoints, topics: [topic] });
    const onBatch: Parameters<typeof createRocketMqSubscriber>[1]['onBatch'] = async (messages) => {
      this.lastArrival = performance.now();
      for (const { keys } of messages) this.arrived.set(keys[0]!, (this.arrived.get(keys[0]!) ?? 0) + 1);
    };
    // Two in one process, as in a service with two consumers: neither may hold the other to a dead connection.
    this.subscribers = [0, 1].map(() =>
      createRocketMqSubscriber({ endpoints }, { group, subscriptions: [{ topic, tags: [] }], onBatch, invisibleMs: 10_000 }),
    );
  }

  async start(): Promise<void> {
    for (const each of [this.publisher, ...this.subscribers]) each.start();
    await Promise.all(this.subscribers.map((subscriber) => subscriber.ready()));
    this.#pumping = this.#pump();
    await until('messages flow', () => this.acknowledged.size >= 100 && this.arrived.size >= 100);
  }

  get allConnected(): boolean {
    return [this.publisher, ...this.subscribers].every((each) => each.state().connected);
  }

  get allLost(): boolean {
    return [this.publisher, ...this.subscribers].every((each) => !each.state().connected && each.state().error !== '');
  }

  /** Waits until messages are taken, arrive, and everybody says so; answers with how long each took, milliseconds. */
  async recovered(): Promise<{ sending: number; receiving: number; health: number }> {
    const since = performance.now();
    const took = { sending: 0, receiving: 0, health: 0 };
    await until(
      'sending, receiving and health are back',
      () => {
        const now = Math.round(performance.now() - since);
        if (this.lastAcknowledgement > since) took.sending ||= now;
        if (this.lastArrival > since) took.receiving ||= now;
        if (this.allConnected) took.health ||= now;
        return took.sending > 0 && took.receiving > 0 && took.health > 0;
      },
      60_000,
      20,
    );
    return took;
  }

  /** Ends the stream once everything that the broker acknowledged has arrived. */
  async finish(): Promise<{ lost: number; twice: number }> {
    this.#running = false;
    await this.#pumping;
    const missing = () => [...this.acknowledged].filter((key) => !this.arrived.has(key));
    await until('everything that was acknowledged has arrived', () => missing().length === 0, 60_000).catch(() => undefined);
    return { lost: missing().length, twice: [...this.arrived.values()].filter((times) => times > 1).length };
  }

  async stop(): Promise<void> {
    this.#running = false;
    await Promise.all([this.publisher, ...this.subscribers].map((each) => each.stop(1_000)));
  }

  async #pump(): Promise<void> {
    while (this.#running) {
      const batch = Array.from({ length: BATCH }, () => message(this.#topic, `m${this.#next++}`));
      const began = performance.now();
      const outcomes = await this.publisher.publish(batch);
      this.slowest = Math.max(this.slowest, performance.now() - began);
      for (const [index, outcome] of outcomes.entries()) {
        if (!outcome.ok) continue;
        this.acknowledged.add(batch[index]!.keys[0]!);
        this.lastAcknowledgement = performance.now();
      }
      await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    }
  }
}

function message(topic: string, key: string): OutgoingBrokerMessage {
  return { topic, tag: '', keys: [key], body: Buffer.from(key), properties: {} };
}

/** Where the run's stack can be had, so can one of this file's own. */
const found = await realStack();

describe.skipIf(!found)('the RocketMQ adapter on a real RocketMQ', () => {
  let stack: TestStack;
  let proxy: SwallowingProxy;
  let stream: Stream;
  const cleanups: (() => Promise<unknown>)[] = [];
  let names = 0;

  beforeAll(async () => {
    stack = await TestStack.start(['name-server', 'broker'], { STACK_BROKER_HOST: WAY });
    proxy = await startSwallowingProxy(WAY, stack.settings.STACK_BROKER_PORT);
  }, 180_000);
  afterAll(async () => {
    await proxy?.stop();
    await stack?.drop();
  });

  async function makeNames(): Promise<{ topic: string; group: string }> {
    const pair = { topic: `T_OUTAGE_${++names}`, group: `G_OUTAGE_${names}` };
    await stack.makeTopic(pair.topic);
    await stack.makeGroup(pair.group);
    return pair;
  }

  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  });

  describe('under a steady stream', () => {
    beforeEach(async () => {
      await stack.startPart('broker');
      const { topic, group } = await makeNames();
      stream = new Stream(proxy.endpoints, topic, group);
      cleanups.push(() => stream.stop());
      await stream.start();
    });

    async function report(what: string, back: object): Promise<void> {
      const { lost, twice } = await stream.finish();
      const { acknowledged, slowest } = stream;
      console.log(
        `${what}: back after ${JSON.stringify(back)} ms; ${acknowledged.size} acknowledged, ${lost} lost, ${twice} twice, slowest outcome ${slowest.toFixed(0)} ms`,
      );
      expect(lost).toBe(0);
    }

    it('goes on by itself after kill -9 and restart of the broker, and nothing that was acknowledged is lost', async () => {
      for (let kill = 1; kill <= 2; kill++) {
        await stack.kill('broker');
        await until('all say that the broker is away', () => stream.allLost, 20_000);
        await stack.startPart('broker');
        const back = await stream.recovered();
        console.log(`kill ${kill}: back after ${JSON.stringify(back)} ms`);
      }
      await report('kill -9', {});
    }, 180_000);

    it('goes on by itself after the broker was frozen, says meanwhile that it is away, and acknowledges nothing that is not stored', async () => {
      stack.signal('broker', 'SIGSTOP');
      const frozenAt = performance.now();
      await until('all say that the broker is away', () => stream.allLost, 20_000);
      console.log(`frozen: noticed by all after ${(performance.now() - frozenAt).toFixed(0)} ms`);
      const before = stream.acknowledged.size;
      await new Promise((resolve) => setTimeout(resolve, FROZEN_MS - (performance.now() - frozenAt)));
      expect(stream.acknowledged.size).toBe(before);
      stack.signal('broker', 'SIGCONT');
      await report('frozen', await stream.recovered());
    }, 180_000);

    it('goes on by itself on new connections when the old ones have fallen silent for ever', async () => {
      proxy.swallow();
      const cutAt = performance.now();
      await until('all say that the broker is away', () => stream.allLost, 20_000);
      console.log(`cut off: noticed by all after ${(performance.now() - cutAt).toFixed(0)} ms`);
      await new Promise((resolve) => setTimeout(resolve, CUT_MS - (performance.now() - cutAt)));
      proxy.mend();
      await report('cut off', await stream.recovered());
    }, 180_000);
  });
});
