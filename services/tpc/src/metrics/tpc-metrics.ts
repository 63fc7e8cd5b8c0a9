import type { Meter } from '@opentelemetry/api';
import { BATCH_COUNTS, DELIVERY_SECONDS, LATENCY_SECONDS } from '@tpc/platform';
import { DeadReason, Verdict } from '../domain/states.ts';
import type { StoreObserver } from '../store/store-types.ts';
import { createLabelLimit, MAX_NAMES, MAX_REASONS } from './label-limit.ts';

/** Writes to the database that go in batches. */
export const OPERATIONS = ['save', 'confirm', 'save_and_send', 'delete', 'verdict', 'report'] as const;
export type Operation = (typeof OPERATIONS)[number];

export const VERDICT_NAMES = {
  [Verdict.NONE]: 'none',
  [Verdict.COMMITTED]: 'committed',
  [Verdict.ROLLED_BACK]: 'rolled_back',
  [Verdict.IN_PROGRESS]: 'in_progress',
} as const;

/** Causes that TPC itself knows; those of a group's final failure are the group's own words. */
const DEAD_AT_TPC = [
  DeadReason.NO_SUBSCRIBER,
  DeadReason.COMMIT_AFTER_ROLLBACK,
  DeadReason.KEY_CONFLICT,
  DeadReason.CONTENT_INVALID,
  DeadReason.BROKER_REFUSED,
  DeadReason.STRAY_COPIES,
];

/** What TPC does, as it is counted. All are noted once a batch, or once an exception: nothing here is done for each message of the normal way but the delivery time. */
export type TpcMetrics = {
  /** A batch was written. @param outcomes how many items ended how: `ok`, or the name of the rule that refused them */
  noteBatch(operation: Operation, size: number, elapsedMs: number, outcomes: ReadonlyMap<string, number>): void;
  /** A batch could not be written; it is tried in halves, or its callers hear of it. */
  noteBatchFailure(operation: Operation): void;
  noteVerdicts(verdicts: ReadonlyMap<string, number>): void;
  /** Due work was claimed. @param count rows that the claim took */
  noteClaim(work: string, count: number, elapsedMs: number): void;
  /** The broker answered for messages of one topic. @param count how many had this outcome */
  notePublish(topic: string, outcome: string, count: number): void;
  notePublishRequest(size: number, elapsedMs: number): void;
  noteRedelivery(consumerGroup: string, count: number): void;
  observer: Omit<StoreObserver, 'onStrayCopies'>;
};

/** Makes TPC's instruments. Labels: docs/observability.md. Names of topics and groups and reasons are limited in number; ids are never labels. */
// biome-ignore lint/complexity/noExcessiveLinesPerFunction: the list of instruments, and what each call counts
export function createTpcMetrics(meter: Meter): TpcMetrics {
  const seconds = (name: string, description: string, boundaries = LATENCY_SECONDS) =>
    meter.createHistogram(name, { unit: 's', description, advice: { explicitBucketBoundaries: boundaries } });
  const counts = (name: string, description: string) =>
    meter.createHistogram(name, { description, advice: { explicitBucketBoundaries: BATCH_COUNTS } });
  const counter = (name: string, description: string) => meter.createCounter(name, { description });
  const limits = { topic: createLabelLimit(MAX_NAMES), group: createLabelLimit(MAX_NAMES), reason: createLabelLimit(MAX_REASONS) };
  const operations = counter('tpc.operations', 'Messages that were saved, confirmed, deleted, judged or reported, by outcome.');
  const batchSize = counts('tpc.batch.size', 'Messages that one write took together.');
  const batchDuration = seconds('tpc.batch.duration', 'Time of one write to the database, with everything in it.');
  const batchFailures = counter('tpc.batch.failures', 'Writes to the database that failed.');
  const checkBacks = counter('tpc.check_backs', 'Verdicts of producers on messages that they were asked about.');
  const claimed = counter('tpc.claims', 'Rows of due work that were claimed.');
  const claimDuration = seconds('tpc.claim.duration', 'Time of one claim of due work.');
  const published = counter('tpc.publishes', 'Messages that were given to the broker, by outcome.');
  const publishSize = counts('tpc.publish.batch.size', 'Messages that were given to the broker together.');
  const publishDuration = seconds('tpc.publish.duration', 'Time until the broker answered for messages that were given to it together.');
  const redeliveries = counter('tpc.redeliveries', 'Messages that were published again for a consumer group.');
  const dead = counter('tpc.dead_letters', 'Messages, or copies of a consumer group, that became dead, by reason.');
  const finished = counter('tpc.finished', 'Messages that every subscribed group has consumed.');
  const delivery = seconds('tpc.delivery.duration', 'Time from the confirm of a message to the report that a group consumed it.', DELIVERY_SECONDS);
  // A rate needs a beginning: what is rare starts at 0, so that the first time is seen as well.
  for (const operation of OPERATIONS) batchFailures.add(0, { operation });
  for (const verdict of Object.values(VERDICT_NAMES)) checkBacks.add(0, { verdict });
  for (const reason of DEAD_AT_TPC) dead.add(0, { reason: limits.reason(reason) });
  return {
    noteBatch(operation, size, elapsedMs, outcomes) {
      batchSize.record(size, { operation });
      batchDuration.record(elapsedMs / 1000, { operation });
      for (const [outcome, count] of outcomes) operations.add(count, { operation, outcome });
    },
    noteBatchFailure: (operation) => batchFailures.add(1, { operation }),
    noteVerdicts(verdicts) {
      for (const [verdict, count] of verdicts) checkBacks.add(count, { verdict });
    },
    noteClaim(work, count, elapsedMs) {
      claimDuration.record(elapsedMs / 1000, { work });
      if (count > 0) claimed.add(count, { work });
    },
    notePublish: (topic, outcome, count) => published.add(count, { topic: limits.topic(topic), outcome }),
    notePublishRequest(size, elapsedMs) {
      publishSize.record(size);
      publishDuration.record(elapsedMs / 1000);
    },
    noteRedelivery: (consumerGroup, count) => redeliveries.add(count, { consumer_group: limits.group(consumerGroup) }),
    observer: {
      onConsumed(consumerGroup, afterMs) {
        const labels = { consumer_group: limits.group(consumerGroup) };
        for (const ms of afterMs) delivery.record(ms / 1000, labels);
      },
      onFinished: (count) => finished.add(count),
      onDead: (reason) => dead.add(1, { reason: limits.reason(reason) }),
    },
  };
}
