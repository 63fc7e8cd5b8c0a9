/** Names and sizes that the bench's processes share. */

/** Bytes of a message's body; the figures for peers and broker are taken with the same. */
export const BODY_BYTES = 256;
/** Connections of a producer, in every system alike: as many transactions may be open at once. With the consumers below what the stack's MariaDB takes. */
export const PRODUCER_POOL = 80;
/** Connections of a consumer, and of DTM. */
export const CONSUMER_POOL = 64;
/** Handler transactions at once where each message has its own: half of the pool. The peers' consumers take as many as come. */
export const CONSUMER_CONCURRENCY = 32;
/** Longest wait for TPC's answer to prepare. The peers wait as long as it takes; with the default of 250 ms a machine with no time to spare measures another path. */
export const PREPARE_BUDGET_MS = 2_000;
export const PRODUCER_GROUP = 'bench';

/** How the consumer handles: many messages in one transaction, or each in its own. */
export const MODES = ['batch', 'single'] as const;
export type Mode = (typeof MODES)[number];

export const topicOf = (mode: Mode): string => `BENCH_${mode.toUpperCase()}_TOPIC`;
export const groupOf = (mode: Mode): string => `CID_BENCH_${mode.toUpperCase()}`;
export const LIMIT_TOPIC = 'BENCH_LIMIT_TOPIC';
export const HOP_TOPIC = 'BENCH_HOP_TOPIC';
export const HOP_GROUP = 'CID_BENCH_HOP';
/** RocketMQ's own transactional messages want a topic of this type. */
export const TRANSACTION_TOPIC = 'BENCH_TRANSACTION_TOPIC';
export const TRANSACTION_GROUP = 'CID_BENCH_TRANSACTION';

export const NORMAL_TOPICS = [...MODES.map(topicOf), LIMIT_TOPIC, HOP_TOPIC];
export const GROUPS = [...MODES.map(groupOf), HOP_GROUP, TRANSACTION_GROUP];

/** Each made anew by a run. */
export const DATABASES = { tpc: 'bench_tpc', producer: 'bench_producer', consumer: 'bench_consumer', peers: 'bench_peers' } as const;

/** A body of the right size that says nothing. */
export function body(): string {
  return JSON.stringify({ fill: 'x'.repeat(BODY_BYTES - 11) });
}
