import { orAborted, pause, withDeadline } from '@tpc/core';
import type { BrokerSubscriber, BrokerSubscriberOptions, BrokerSubscriberState } from '../port.ts';
import { AckGatherer } from './ack-gatherer.ts';
import { DEFAULT_REQUEST_TIMEOUT_MS, loggerOf, type RocketMqConnection } from './connection.ts';
import { LinkState } from './link-state.ts';
import { ReceiveLoop, type ReceiveSession } from './receive-loop.ts';
import { type ReceiveOptions, ReceivingClient } from './receiving-client.ts';
import { explainRefusal } from './refusals.ts';
import { isLinkFailure } from './rpc-link.ts';
import { growingWait } from './waits.ts';

const DEFAULT_LOOPS = 2;
const DEFAULT_RECEIVE_BATCH = 32;
const DEFAULT_INVISIBLE_MS = 30_000;
const DEFAULT_POLL_MS = 5_000;

export type RocketMqSubscriberOptions = BrokerSubscriberOptions & {
  /** Receive loops per topic and broker; default 2. */
  loops?: number | undefined;
  /** Messages of one receive; default and maximum 32. */
  batchSize?: number | undefined;
  /** How long a received message stays with this subscriber before it comes again, milliseconds; default 30,000, RocketMQ takes 10,000 or more. */
  invisibleMs?: number | undefined;
  /** Length of a long poll, milliseconds; default 5,000. RocketMQ takes 5,000 to 20,000. */
  pollMs?: number | undefined;
};

/** How often routes are looked at for new brokers and topics, milliseconds. */
const RECONCILE_MS = 5_000;
/** A client object that was without the broker for so long is replaced by a new one, milliseconds. */
const REBUILD_AFTER_MS = 30_000;
const CLOSE_MS = 1_500;

/** Receives from RocketMQ 5, or anything that speaks its gRPC protocol. */
export function createRocketMqSubscriber(connection: RocketMqConnection, options: RocketMqSubscriberOptions): BrokerSubscriber {
  return new RocketMqSubscriber(connection, options);
}

class RocketMqSubscriber implements BrokerSubscriber {
  readonly #connection: RocketMqConnection;
  readonly #options: RocketMqSubscriberOptions;
  readonly #receive: ReceiveOptions;
  readonly #link: LinkState;
  readonly #stopping = new AbortController();
  readonly #ready = Promise.withResolvers<void>();
  /** Loops by topic, broker and number. */
  readonly #loops = new Map<string, ReceiveLoop>();
  /** Topics that a poll has reached, and topics of which the broker said that they do not exist. */
  readonly #reached = new Set<string>();
  readonly #missing = new Set<string>();
  /** Why, and since when, the broker lets no client of this group begin. */
  #refusal: { error: string; since: number } | undefined;
  #running: Promise<void> | undefined;
  #client: ReceivingClient | undefined;
  #session: ReceiveSession | undefined;

  constructor(connection: RocketMqConnection, options: RocketMqSubscriberOptions) {
    this.#connection = connection;
    this.#options = options;
    this.#receive = {
      batchSize: options.batchSize ?? DEFAULT_RECEIVE_BATCH,
      invisibleMs: options.invisibleMs ?? DEFAULT_INVISIBLE_MS,
      pollMs: options.pollMs ?? DEFAULT_POLL_MS,
    };
    const log = loggerOf(connection);
    const fields = { endpoints: connection.endpoints, consumer_group: options.group };
    this.#link = new LinkState((state) => {
      if (state.connected) log.info(fields, 'subscriber connected to the broker');
      else if (this.#stopping.signal.aborted) log.info(fields, 'subscriber left the broker');
      else log.warn({ ...fields, error: state.error }, 'subscriber lost the broker');
    });
    this.#ready.promise.catch(() => undefined); // Whoever calls ready() handles it.
  }

  start(): void {
    if (this.#stopping.signal.aborted) return;
    this.#running ??= this.#run();
  }

  ready(): Promise<void> {
    return this.#ready.promise;
  }

  state(): BrokerSubscriberState {
    const loops = [...this.#loops.values()];
    const link = this.#link.snapshot();
    const refused = this.#refusal ?? loops.find((loop) => loop.refusal !== undefined)?.refusal;
    // The broker answers, but does not let the group receive: for health that is no connection either.
    if (link.connected && refused) return { connected: false, ...refused, idle: false, idleTopics: [] };
    if (!link.connected) return { ...link, idle: false, idleTopics: [] };
    const byTopic = [...Map.groupBy(loops, (loop) => loop.topic)];
    const idleTopics = byTopic.filter(([, ofTopic]) => ofTopic.every((loop) => loop.empty)).map(([topic]) => topic);
    return { ...link, idle: byTopic.length > 0 && idleTopics.length === byTopic.length, idleTopics };
  }

  async stop(deadlineMs: number): Promise<void> {
    if (this.#stopping.signal.aborted) return;
    this.#stopping.abort();
    this.#ready.reject(new Error('the subscriber was stopped before it was ready'));
    this.#client?.link.cancelPolls();
    await withDeadline(this.#running ?? Promise.resolve(), deadlineMs);
    this.#session?.acks.close();
    await withDeadline(this.#client?.leave() ?? Promise.resolve(), CLOSE_MS);
    this.#link.lost('stopped');
  }

  async #run(): Promise<void> {
    const stopping = this.#stopping.signal;
    for (let failures = 0; !stopping.aborted; ) {
      const client = new ReceivingClient(this.#connection, this.#link, {
        group: this.#options.group,
        subscriptions: this.#options.subscriptions,
        pollMs: this.#receive.pollMs,
      });
      this.#client = client;
      try {
        await this.#open(client);
        failures = 0;
        this.#refusal = undefined;
        await this.#receiveUntilLost(client);
      } catch (error) {
        failures += 1;
        if (!stopping.aborted) this.#noteFailure(error);
      }
      await client.leave();
      await pause(growingWait(failures), stopping);
    }
  }

  /** A broker that refuses answers all the same, also when the client leaves: the link alone would read as well again until the next try. */
  #noteFailure(error: unknown): void {
    const reason = explainRefusal(error);
    if (isLinkFailure(error)) {
      this.#link.lost(reason);
    } else if (this.#refusal?.error !== reason) {
      this.#refusal = { error: reason, since: Date.now() };
      const { endpoints } = this.#connection;
      loggerOf(this.#connection).warn({ endpoints, consumer_group: this.#options.group, error: reason }, 'the broker refuses the subscriber');
    }
  }

  /** @throws when the broker is away, knows none of the topics, or refuses the client */
  async #open(client: ReceivingClient): Promise<void> {
    client.begin();
    const routes = await Promise.allSettled(this.#options.subscriptions.map(({ topic }) => client.targets(topic, 'read')));
    const failure = routes.find((route) => route.status === 'rejected');
    if (failure && routes.every((route) => route.status === 'rejected')) throw failure.reason;
    const timeout = this.#connection.requestTimeoutMs ?? DEFAULT_REQUEST_TIMEOUT_MS;
    await withDeadline(orAborted(client.settingsArrived(), this.#stopping.signal), timeout, () => {
      throw new Error('the broker sent no settings in time');
    });
  }

  async #receiveUntilLost(client: ReceivingClient): Promise<void> {
    const log = loggerOf(this.#connection);
    const lost = new AbortController();
    const session: ReceiveSession = {
      client,
      acks: new AckGatherer(client, this.#receive.invisibleMs, log),
      log,
      receive: this.#receive,
      onBatch: this.#options.onBatch,
      beforeReceive: this.#options.beforeReceive,
      ending: AbortSignal.any([lost.signal, this.#stopping.signal]),
    };
    this.#session = session;
    while (!session.ending.aborted && this.#withoutMessagesForMs() < REBUILD_AFTER_MS) {
      await this.#reconcile(session);
      await pause(RECONCILE_MS, session.ending);
    }
    lost.abort();
    client.link.cancelPolls();
    await Promise.all([...this.#loops.values()].map((loop) => loop.ended));
    await session.acks.drain();
  }

  /** How long the broker has been away, or has refused a loop, milliseconds. */
  #withoutMessagesForMs(): number {
    const refusedSince = [...this.#loops.values()].map((loop) => loop.refusal?.since ?? Number.POSITIVE_INFINITY);
    return Math.max(this.#link.downForMs(), Date.now() - Math.min(...refusedSince));
  }

  /** Sees to it that every topic has its loops at every broker that serves it. */
  async #reconcile(session: ReceiveSession): Promise<void> {
    for (const { topic } of this.#options.subscriptions) {
      try {
        const targets = await session.client.targets(topic, 'read');
        this.#missing.delete(topic);
        for (const { brokerName } of targets) this.#ensureLoops(session, topic, brokerName);
      } catch (error) {
        if (isLinkFailure(error)) return;
        // Said once for each time that it goes missing; it is looked for every few seconds.
        if (!this.#missing.has(topic)) session.log.warn({ topic, error: explainRefusal(error) }, 'the broker does not serve a subscribed topic');
        this.#missing.add(topic);
        this.#noticeReady();
      }
    }
  }

  #ensureLoops(session: ReceiveSession, topic: string, brokerName: string): void {
    for (let number = 0; number < (this.#options.loops ?? DEFAULT_LOOPS); number++) {
      const key = `${topic}|${brokerName}|${number}`;
      if (this.#loops.has(key) || session.ending.aborted) continue;
      const loop = new ReceiveLoop(session, topic, brokerName, () => {
        this.#reached.add(topic);
        this.#noticeReady();
      });
      this.#loops.set(key, loop);
      void loop.ended.then(() => this.#loops.delete(key));
    }
  }

  /** A topic that does not exist cannot have messages to miss; it must not keep the group from the others. */
  #noticeReady(): void {
    if (this.#reached.size === 0) return;
    if (this.#options.subscriptions.every(({ topic }) => this.#reached.has(topic) || this.#missing.has(topic))) this.#ready.resolve();
  }
}
