import { SpanKind } from '@opentelemetry/api';
import { batchAttributes, endSpan, type MessageTracer, onlyKey, pause, withDeadline } from '@tpc/core';
import type { BrokerLinkState, BrokerPublisher, OutgoingBrokerMessage, PublishOutcome } from '../port.ts';
import { type BatchCaps, takeBatch, wireBytes } from './batching.ts';
import { loggerOf, type RocketMqConnection } from './connection.ts';
import { LinkState } from './link-state.ts';
import { createMessageIdFactory } from './message-id.ts';
import { PublishingClient } from './publishing-client.ts';
import { isLinkFailure } from './rpc-link.ts';
import { sendBatch } from './send-batch.ts';
import { growingWait } from './waits.ts';

const DEFAULT_MAX_BATCH_COUNT = 128;
const DEFAULT_MAX_BATCH_BYTES = 1024 * 1024;
const DEFAULT_IN_FLIGHT_PER_TOPIC = 2;

export type RocketMqPublisherOptions = RocketMqConnection & {
  /** Topics known ahead: their routes are fetched as soon as the broker is there. Others are learned at their first message. */
  topics?: readonly string[] | undefined;
  /** Messages in one request; default 128. */
  maxBatchCount?: number | undefined;
  /** Sum of messages in one request, bytes; default 1 MiB. RocketMQ refuses sums above its message limit with the code of a real fault. */
  maxBatchBytes?: number | undefined;
  /** Requests under way per topic; default 2. */
  inFlightPerTopic?: number | undefined;
  /** For the spans of requests to the broker. Default: none. */
  tracing?: MessageTracer | undefined;
};

/** A message on its way, and whoever waits for it. */
type Entry = { id: string; message: OutgoingBrokerMessage; bytes: number; settle(outcome: PublishOutcome): void };

/** Messages of one topic: while its requests are under way, the next gather, and leave together in the next one. */
type Lane = { topic: string; waiting: Entry[]; inFlight: number };

const CLOSE_MS = 1_500;
/** How often the broker is asked for a sign of life while the link is up, milliseconds. */
const PROBE_MS = 2_000;

/** Publishes to RocketMQ 5, or anything that speaks its gRPC protocol. */
export function createRocketMqPublisher(options: RocketMqPublisherOptions): BrokerPublisher {
  return new RocketMqPublisher(options);
}

class RocketMqPublisher implements BrokerPublisher {
  readonly #options: RocketMqPublisherOptions;
  readonly #caps: BatchCaps;
  readonly #inFlightPerTopic: number;
  readonly #link: LinkState;
  readonly #nextId = createMessageIdFactory();
  readonly #lanes = new Map<string, Lane>();
  readonly #open = new Set<Entry>();
  readonly #stopping = new AbortController();
  #client: PublishingClient | undefined;
  #idle: (() => void) | undefined;

  constructor(options: RocketMqPublisherOptions) {
    this.#options = options;
    this.#caps = { maxCount: options.maxBatchCount ?? DEFAULT_MAX_BATCH_COUNT, maxBytes: options.maxBatchBytes ?? DEFAULT_MAX_BATCH_BYTES };
    this.#inFlightPerTopic = options.inFlightPerTopic ?? DEFAULT_IN_FLIGHT_PER_TOPIC;
    const log = loggerOf(options);
    this.#link = new LinkState((state) => {
      if (state.connected) log.info({ endpoints: options.endpoints }, 'publisher connected to the broker');
      else if (this.#stopping.signal.aborted) log.info({ endpoints: options.endpoints }, 'publisher left the broker');
      else log.warn({ endpoints: options.endpoints, error: state.error }, 'publisher lost the broker');
    });
  }

  start(): void {
    if (this.#client || this.#stopping.signal.aborted) return;
    this.#client = new PublishingClient(this.#options, this.#link);
    void this.#keepConnected(this.#client);
  }

  publish(messages: readonly OutgoingBrokerMessage[]): Promise<PublishOutcome[]> {
    const lanes = new Set<Lane>();
    const outcomes = messages.map((message) => {
      if (!this.#client || this.#stopping.signal.aborted) return notPublished('the publisher is not running');
      const lane = this.#lane(message.topic);
      lanes.add(lane);
      return this.#enqueue(lane, message);
    });
    for (const lane of lanes) this.#pump(lane);
    return Promise.all(outcomes);
  }

  state(): BrokerLinkState {
    return this.#link.snapshot();
  }

  async stop(deadlineMs: number): Promise<void> {
    if (this.#stopping.signal.aborted) return;
    this.#stopping.abort();
    const idle = new Promise<void>((resolve) => {
      this.#idle = resolve;
    });
    this.#noticeIdle();
    await withDeadline(idle, deadlineMs);
    for (const entry of [...this.#open]) entry.settle(notPublished('the publisher stopped before the broker answered'));
    if (this.#client) await withDeadline(this.#client.leave(), CLOSE_MS);
    this.#link.lost('stopped');
  }

  #lane(topic: string): Lane {
    let lane = this.#lanes.get(topic);
    if (!lane) {
      lane = { topic, waiting: [], inFlight: 0 };
      this.#lanes.set(topic, lane);
    }
    return lane;
  }

  #enqueue(lane: Lane, message: OutgoingBrokerMessage): Promise<PublishOutcome> {
    return new Promise((resolve) => {
      const entry: Entry = {
        id: this.#nextId(),
        message,
        bytes: wireBytes(message),
        settle: (outcome) => {
          if (!this.#open.delete(entry)) return;
          resolve(outcome);
          this.#noticeIdle();
        },
      };
      this.#open.add(entry);
      lane.waiting.push(entry);
    });
  }

  #pump(lane: Lane): void {
    while (lane.waiting.length > 0 && lane.inFlight < this.#inFlightPerTopic) {
      lane.inFlight += 1;
      void this.#flush(lane, takeBatch(lane.waiting, this.#caps));
    }
    if (lane.waiting.length === 0 && lane.inFlight === 0) this.#lanes.delete(lane.topic);
  }

  async #flush(lane: Lane, batch: Entry[]): Promise<void> {
    const span = this.#options.tracing?.startStep(
      `${lane.topic} send`,
      SpanKind.CLIENT,
      batch.map(({ message }) => message.trace),
      sendAttributes(this.#options.endpoints, batch),
    );
    const result = await sendBatch(this.#client!, lane.topic, batch);
    endSpan(span, result.unreachable === undefined ? undefined : 'BROKER_UNAVAILABLE');
    for (const [index, entry] of batch.entries()) entry.settle(result.outcomes[index] ?? notPublished('no outcome'));
    // What waits behind a broker that is away would only wait for the same failure, one deadline after the other.
    if (result.unreachable !== undefined) {
      for (const entry of lane.waiting.splice(0)) entry.settle(notPublished(result.unreachable));
    }
    lane.inFlight -= 1;
    this.#pump(lane);
  }

  #noticeIdle(): void {
    if (this.#open.size === 0) this.#idle?.();
  }

  async #keepConnected(client: PublishingClient): Promise<void> {
    const signal = this.#stopping.signal;
    client.begin();
    for (let failures = 0; !signal.aborted; ) {
      try {
        await client.probe();
        failures = 0;
        await Promise.allSettled((this.#options.topics ?? []).map((topic) => client.targets(topic, 'write')));
        await this.#untilLost(client);
      } catch (error) {
        if (!signal.aborted && !isLinkFailure(error)) this.#link.lost(String(error)); // Link failures have told themselves.
        failures += 1;
      }
      await pause(growingWait(failures), signal);
    }
  }

  /** A publisher without a route sends nothing while it is idle, so it asks: else only the next publish would find that the broker has gone. */
  async #untilLost(client: PublishingClient): Promise<void> {
    const lost = this.#link.whenLost();
    while (this.#link.snapshot().connected) {
      await withDeadline(lost, PROBE_MS);
      if (this.#link.snapshot().connected) await client.probe();
    }
  }
}

function sendAttributes(endpoints: string, batch: readonly Entry[]) {
  const [server = '', port = ''] = endpoints.split(/:(?=\d+$)/);
  return batchAttributes('send', batch.length, {
    'messaging.operation.type': 'send',
    'messaging.destination.name': batch[0]?.message.topic ?? '',
    'server.address': server,
    'server.port': Number(port),
    ...onlyKey(batch.map(({ message }) => message.keys[0] ?? '')),
  });
}

function notPublished(reason: string): PublishOutcome {
  return { ok: false, permanent: false, reason };
}
