import { type RetryPolicy, waitBeforeRetry } from '@tpc/core';

/** Waits between two tries to reach the broker. */
const WAITS: RetryPolicy = { firstWaitMs: 200, factor: 2, maxWaitMs: 5_000, jitter: 0.2, maxAttempts: undefined };

/** Wait before the next try after so many failures in a row, milliseconds; the first wait also where nothing has failed. */
export function growingWait(failures: number, random: () => number = Math.random): number {
  return waitBeforeRetry(WAITS, failures, random());
}
