import type { BrokerSubscriber, BrokerSubscriberOptions, BrokerSubscriberState, BrokerSubscription, ReceivedBrokerMessage } from '@tpc/broker';
import { type DeliveryProperties, encodeDeliveryProperties, withDeadline } from '@tpc/core';

/** A message to deliver: what TPC would publish. Only key, topic and body are needed. */
export type MemoryDelivery = Partial<DeliveryProperties> & { messageKey: string; topic: string; tag?: string; body: string | Uint8Array };

const MAX_BATCH = 32;
const REDELIVERY_WAIT_MS = 20;

/**
 * A broker in memory for tests of consumers: topics, tags, groups, batches, acknowledgement by resolving, redelivery after a
 * rejection. It forgets everything with the process.
 */
export class MemoryBroker {
  /** Everything published so far, by which a group made later does not receive anything. */
  readonly #groups = new Map<string, Group>();
  #available = true;
  #sequence = 0;

  /** Makes a subscriber; fits `subscribe` of createConsumer. */
  readonly subscribe = (options: BrokerSubscriberOptions): BrokerSubscriber => {
    const group = this.#groups.get(options.group) ?? new Group();
    this.#groups.set(options.group, group);
    return new MemorySubscriber(options, group, () => this.#available);
  };

  /** Publishes as TPC does. */
  deliver(...deliveries: MemoryDelivery[]): void {
    for (const { topic, tag = '', body, ...delivery } of deliveries) {
      const properties = encodeDeliveryProperties({ ...NO_PROPERTIES, ...delivery });
      this.publish({ topic, tag, properties, body });
    }
  }

  /** Publishes with any properties, also such as TPC would never write. */
  publish(message: { topic: string; tag?: string; properties: Record<string, string>; body: string | Uint8Array }): void {
    const { topic, tag = '', properties, body } = message;
    this.#sequence++;
    for (const group of this.#groups.values()) {
      group.add({
        brokerMessageId: `memory-${this.#sequence}`,
        topic,
        tag,
        keys: Object.values(properties).slice(0, 1),
        body: typeof body === 'string' ? Buffer.from(body) : body,
        properties,
        deliveryAttempt: 0,
        storedAt: undefined,
      });
    }
  }

  /** Goes away, or comes back: subscribers do not become ready, and receive nothing, while it is away. */
  setAvailable(available: boolean): void {
    this.#available = available;
    for (const group of this.#groups.values()) group.wake();
  }

  /** Messages that a group has not acknowledged. */
  unacknowledged(group: string): number {
    return this.#groups.get(group)?.unacknowledged ?? 0;
  }

  /** How often a message of a group was given back and delivered again. */
  redelivered(group: string): number {
    return this.#groups.get(group)?.redelivered ?? 0;
  }
}

const NO_PROPERTIES: DeliveryProperties = {
  messageKey: '',
  producerGroup: 'PID_TEST',
  generation: 1,
  onlyGroup: undefined,
  contentType: '',
  headers: {},
  traceparent: '',
  tracestate: '',
};

/** One consumer group's messages. */
class Group {
  readonly #waiting: ReceivedBrokerMessage[] = [];
  redelivered = 0;
  #inFlight = 0;
  #wakers: (() => void)[] = [];

  get unacknowledged(): number {
    return this.#waiting.length + this.#inFlight;
  }

  add(message: ReceivedBrokerMessage): void {
    this.#waiting.push(message);
    this.wake();
  }

  /** Takes messages of one topic; those of its other tags are dropped, as RocketMQ does. */
  take({ topic, tags }: BrokerSubscription): ReceivedBrokerMessage[] {
    const taken: ReceivedBrokerMessage[] = [];
    for (let place = 0; taken.length < MAX_BATCH && place < this.#waiting.length; ) {
      const message = this.#waiting[place] as ReceivedBrokerMessage;
      if (message.topic !== topic) {
        place++;
        continue;
      }
      this.#waiting.splice(place, 1);
      if (tags.length === 0 || tags.includes(message.tag)) taken.push({ ...message, deliveryAttempt: message.deliveryAttempt + 1 });
    }
    this.#inFlight += taken.length;
    return taken;
  }

  acknowledge(count: number): void {
    this.#inFlight -= count;
  }

  giveBack(messages: readonly ReceivedBrokerMessage[]): void {
    setTimeout(() => {
      this.#inFlight -= messages.length;
      this.redelivered += messages.length;
      this.#waiting.push(...messages);
      this.wake();
    }, REDELIVERY_WAIT_MS);
  }

  change(): Promise<void> {
    return new Promise((resolve) => this.#wakers.push(resolve));
  }

  wake(): void {
    for (const waker of this.#wakers.splice(0)) waker();
  }
}

class MemorySubscriber implements BrokerSubscriber {
  readonly #options: BrokerSubscriberOptions;
  readonly #group: Group;
  readonly #isAvailable: () => boolean;
  readonly #firstPoll = Promise.withResolvers<void>();
  /** Topics whose last poll brought nothing. */
  readonly #empty = new Set<string>();
  #running: Promise<unknown> | undefined;
  #stopped = false;

  constructor(options: BrokerSubscriberOptions, group: Group, isAvailable: () => boolean) {
    this.#options = options;
    this.#group = group;
    this.#isAvailable = isAvailable;
  }

  start(): void {
    this.#running ??= Promise.all(this.#options.subscriptions.map((subscription) => this.#receive(subscription)));
  }

  ready(): Promise<void> {
    return this.#firstPoll.promise;
  }

  state(): BrokerSubscriberState {
    const connected = this.#isAvailable();
    const idleTopics = connected ? [...this.#empty] : [];
    const idle = connected && idleTopics.length === this.#options.subscriptions.length;
    return { connected, error: connected ? '' : 'the broker is away', since: 0, idle, idleTopics };
  }

  async stop(deadlineMs: number): Promise<void> {
    this.#stopped = true;
    this.#group.wake();
    await withDeadline(this.#running ?? Promise.resolve(), deadlineMs);
  }

  async #receive(subscription: BrokerSubscription): Promise<void> {
    while (!this.#stopped) {
      await this.#options.beforeReceive?.(subscription.topic);
      if (this.#stopped) return;
      const available = this.#isAvailable();
      if (available) this.#firstPoll.resolve();
      const messages = available ? this.#group.take(subscription) : [];
      if (messages.length > 0) {
        this.#empty.delete(subscription.topic);
        await this.#hand(messages);
      } else {
        this.#empty.add(subscription.topic);
        await this.#group.change();
      }
    }
  }

  async #hand(messages: readonly ReceivedBrokerMessage[]): Promise<void> {
    try {
      await this.#options.onBatch(messages);
      this.#group.acknowledge(messages.length);
    } catch {
      this.#group.giveBack(messages);
    }
  }
}
