import type { Context } from '@opentelemetry/api';
import type { BrokerPublisher, PublishOutcome } from '@tpc/broker';
import { classifySqlError, isTransient, MAX_BATCH, type MessageTracer, NaturalBatcher, type RetryPolicy, traceIdOf, withRetries } from '@tpc/core';
import type { Log } from '@tpc/platform';
import type { Store } from '../store/store.ts';
import type { PublishResult, RedeliveryResult } from '../store/store-types.ts';
import { createLeases, type Lease } from './leases.ts';
import { type PublishOrder, toBrokerMessage } from './publish-order.ts';
import { endPublishSpan, publishSpan } from './publish-spans.ts';

/**
 * The way of a claimed message to the broker and of the outcome back into its row. Whoever makes messages SENDING (a confirm, a save-and-send, a verdict)
 * or finds them due (the workers) claims them with `newClaim` and hands them over here; nobody waits for it.
 *
 *   claim ──▶ queue ──(lease still good?)──▶ broker ──▶ outcome ──(gathered)──▶ row
 *
 * A crash anywhere leaves the row claimed: the lease runs out and another replica does it again, so a message is published at least once. What the
 * broker did not take goes back with a growing wait; what it refuses for good makes the message DEAD.
 */
export interface Publishing {
  /** A claim to give to the store's call. Take it right before the call. */
  newClaim(): Lease;
  /** Publishes in the background. @returns when the outcomes are recorded, or could not be; never rejects, and need not be waited for */
  publish(claim: Lease, items: readonly PublishOrder[]): Promise<void>;
  /** Whether the broker answers. While it does not, claiming due work only wears the database. */
  connected(): boolean;
  /** Resolves when all outcomes of what was handed over are recorded, or could not be: from here on the database's absence is not waited out. */
  close(): Promise<void>;
}

type ResultStore = Pick<Store, 'recordPublishResults' | 'recordRedeliveryResults'>;

export type PublishingOptions = {
  store: ResultStore;
  broker: Pick<BrokerPublisher, 'publish' | 'state'>;
  log: Log;
  leaseMs: number;
  /** Messages in memory that may wait for the broker; more go back to the database. Default 10,000. */
  maxQueued?: number;
  /** Undefined: nothing is traced. */
  tracing?: MessageTracer | undefined;
  /** On the clock of `performance.now()`, milliseconds. */
  now?: () => number;
};

/**
 * Outcomes are gathered this long, since nobody waits for them, milliseconds. Long enough that most messages are consumed by then, and the write finds
 * nothing to do; a crash within it costs a repeated publish, which the inboxes drop.
 */
const RESULT_LINGER_MS = 300;
/** A send begins only while this much of the lease is left, so that it ends before another replica may begin, as a share of the lease. */
const LEASE_RESERVE = 0.2;
const MAX_PUBLISH_COUNT = 128;
/** Requests to the broker under way; the adapter has its own limit for each topic. */
const MAX_PUBLISHES_IN_FLIGHT = 8;
const DEFAULT_MAX_PUBLISH_QUEUED = 10_000;
/** Between two tries to record outcomes while the database is away. */
const RECORD_WAITS: RetryPolicy = { firstWaitMs: 250, factor: 1, maxWaitMs: 250, jitter: 0.2, maxAttempts: undefined };

type Claimed = { claim: Lease; item: PublishOrder; trace: Context | undefined };
type Recorded = { claim: Lease; result: PublishResult & { consumerGroup?: string } };

export function createPublishing(options: PublishingOptions): Publishing {
  const now = options.now ?? (() => performance.now());
  let underway = 0;
  let closing = false;
  const results = new NaturalBatcher<Recorded, void>({
    name: 'publish results',
    flush: (batch) => record(options.store, batch, (endsAt) => !closing && now() < endsAt),
    maxCount: MAX_BATCH,
    lingerMs: RESULT_LINGER_MS,
    bisect: () => false,
  });
  const sends = new NaturalBatcher<Claimed, PublishOutcome | undefined>({
    name: 'publish',
    flush: (batch) => send(options, now, batch),
    maxCount: MAX_PUBLISH_COUNT,
    sizeOf: ({ item }) => item.content.body.length,
    maxInFlight: MAX_PUBLISHES_IN_FLIGHT,
    maxQueued: options.maxQueued ?? DEFAULT_MAX_PUBLISH_QUEUED,
    bisect: () => false,
  });
  const idle: (() => void)[] = [];
  const one = async (claim: Lease, item: PublishOrder) => {
    underway++;
    const span = options.tracing && publishSpan(options.tracing, item);
    const claimed: Claimed = { claim, item, trace: span?.context };
    try {
      const outcome = await sends.add(claimed).catch((error: Error) => ({ ok: false as const, permanent: false, reason: error.message }));
      if (span) endPublishSpan(span, outcome);
      if (outcome) tellOutcome(options.log, claimed.item, outcome);
      if (outcome) await results.add({ claim: claimed.claim, result: resultOf(claimed.item, outcome) });
    } catch (err) {
      // The row stays claimed; its lease runs out and it is published again.
      options.log.warn({ ...messageFields(claimed.item), err }, 'publish result not recorded');
    } finally {
      underway--;
      if (underway === 0) for (const wake of idle.splice(0)) wake();
    }
  };
  return {
    newClaim: createLeases(options.leaseMs, now),
    publish: async (claim, items) => {
      await Promise.all(items.map((item) => one(claim, item)));
    },
    connected: () => options.broker.state().connected,
    close: async () => {
      closing = true;
      while (underway > 0) await new Promise<void>((resolve) => idle.push(resolve));
    },
  };
}

/** What a log line about a message says: enough to find it elsewhere, nothing of its content. */
function messageFields({ messageKey, generation, consumerGroup, content }: PublishOrder): object {
  return { message_key: messageKey, generation, topic: content.topic, consumer_group: consumerGroup, trace_id: traceIdOf(content.traceparent) };
}

/** A refusal kills the message; the rest is the way of every message, and costs nothing where it is not wanted. */
function tellOutcome(log: Log, item: PublishOrder, outcome: PublishOutcome): void {
  if (!outcome.ok && outcome.permanent) log.error({ ...messageFields(item), reason: outcome.reason }, 'the broker refuses a message for good');
  else if (!log.isLevelEnabled('debug')) return;
  else if (outcome.ok) log.debug({ ...messageFields(item), broker_message_id: outcome.brokerMessageId }, 'a message was published');
  else log.debug({ ...messageFields(item), reason: outcome.reason }, 'a message was not published; it is tried again');
}

/** Sends what still has its lease; undefined for the rest, which belongs to whoever claims it next. */
async function send({ broker, log }: PublishingOptions, now: () => number, batch: readonly Claimed[]): Promise<(PublishOutcome | undefined)[]> {
  const at = now();
  const good = batch.filter(({ claim }) => at < sendBefore(claim));
  if (good.length < batch.length) log.warn({ num_messages: batch.length - good.length }, 'lease ran out before the publish; left to the next claim');
  const outcomes =
    good.length > 0
      ? await broker.publish(good.map(({ item, claim, trace }) => ({ ...toBrokerMessage(item, trace), sendBefore: sendBefore(claim) })))
      : [];
  const byClaimed = new Map(good.map((claimed, index) => [claimed, outcomes[index]]));
  return batch.map((claimed) => byClaimed.get(claimed));
}

/** The lease counts until the send itself begins, also after a wait in the broker's adapter. */
function sendBefore({ endsAt, leaseMs }: Lease): number {
  return endsAt - leaseMs * LEASE_RESERVE;
}

function resultOf(item: PublishOrder, outcome: PublishOutcome): PublishResult & { consumerGroup?: string } {
  const { messageId, attempts } = item;
  const base = item.consumerGroup === undefined ? { messageId, attempts } : { messageId, attempts, consumerGroup: item.consumerGroup };
  if (outcome.ok) return { ...base, outcome: 'published' };
  return outcome.permanent ? { ...base, outcome: 'refused', detail: outcome.reason } : { ...base, outcome: 'retry', detail: outcome.reason };
}

/** Writes outcomes into their rows; while the database is away, tries again as long as one of their leases lasts. */
async function record(store: ResultStore, batch: readonly Recorded[], mayRetry: (endsAt: number) => boolean): Promise<undefined[]> {
  const endsAt = Math.max(...batch.map(({ claim }) => claim.endsAt));
  await withRetries(() => recordOnce(store, batch), {
    policy: RECORD_WAITS,
    mayRetry: (error) => isTransient(classifySqlError(error)) && mayRetry(endsAt),
  });
  return batch.map(() => undefined);
}

async function recordOnce(store: ResultStore, batch: readonly Recorded[]): Promise<void> {
  const byToken = Map.groupBy(batch, ({ claim }) => claim.token);
  for (const [token, recorded] of byToken) {
    const results = recorded.map(({ result }) => result);
    const publishes = results.filter((result) => result.consumerGroup === undefined);
    const redeliveries = results.filter((result): result is RedeliveryResult => result.consumerGroup !== undefined);
    if (publishes.length > 0) await store.recordPublishResults(token, publishes);
    if (redeliveries.length > 0) await store.recordRedeliveryResults(token, redeliveries);
  }
}
