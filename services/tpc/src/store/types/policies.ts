/** Waits and limits that the settings decide. */
import type { RetryPolicy } from '@tpc/core';

/** How many names one group may make. Names that others have made cost nothing. */
export type NameQuotas = { topics: number; tags: number; stores: number };

/** Every wait that the store sets, milliseconds, with growth, cap and jitter (`maxAttempts` is not used: the store never gives up by count). */
export type StorePolicies = {
  /** Prepare to first check-back, and between check-backs. */
  check: RetryPolicy;
  /** Between tries to publish while the broker does not take it. */
  publish: RetryPolicy;
  /** Confirm to first redelivery of a copy that its group has not reported, and between redeliveries. */
  redeliver: RetryPolicy;
  /** A redelivery can help once the group has received something published this much later on the topic. */
  overtakenByMs: number;
  /** Publish until a copy that its group has not reported is overdue. */
  overdueAfterMs: number;
  /** An instance silent for this long counts as gone (three heartbeat intervals). */
  instanceGoneMs: number;
  /** How many names each group may make. */
  quotas: NameQuotas;
};
