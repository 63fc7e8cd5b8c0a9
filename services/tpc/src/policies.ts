import type { RetryPolicy } from '@tpc/core';
import type { TpcConfig } from './config.ts';
import type { StorePolicies } from './store/store-types.ts';

/** Each wait is this many times the one before. */
const WAIT_FACTOR = 2;
/** Share of a wait that is random, so that what failed together does not come again together. */
const WAIT_JITTER = 0.2;
/** An instance that was silent for this many heartbeat intervals counts as gone. */
const HEARTBEATS_UNTIL_GONE = 3;

/** The store's waits as the settings have them. */
export function policiesOf(config: TpcConfig): StorePolicies {
  return {
    check: growing(config.TPC_CHECK_FIRST_MS, config.TPC_CHECK_MAX_MS),
    publish: growing(config.TPC_PUBLISH_RETRY_FIRST_MS, config.TPC_PUBLISH_RETRY_MAX_MS),
    redeliver: growing(config.TPC_REDELIVER_FIRST_MS, config.TPC_REDELIVER_MAX_MS),
    overtakenByMs: config.TPC_REDELIVER_PASSED_MS,
    overdueAfterMs: config.TPC_OVERDUE_AFTER_MS,
    instanceGoneMs: config.TPC_HEARTBEAT_INTERVAL_MS * HEARTBEATS_UNTIL_GONE,
    quotas: { topics: config.TPC_MAX_GROUP_TOPICS, tags: config.TPC_MAX_GROUP_TAGS, stores: config.TPC_MAX_GROUP_STORES },
  };
}

/** Longest idle time of a transaction, seconds: a replica that freezes in one must have lost its rows well before its lease ends. */
export function idleTransactionSeconds(leaseMs: number): number {
  return Math.max(1, Math.min(10, Math.floor(leaseMs / 2_000)));
}

function growing(firstWaitMs: number, maxWaitMs: number): RetryPolicy {
  return { firstWaitMs, factor: WAIT_FACTOR, maxWaitMs, jitter: WAIT_JITTER, maxAttempts: undefined };
}
