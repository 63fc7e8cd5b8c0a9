import { classifySqlError, isTransient, type RetryPolicy, withRetries } from '@tpc/core';

const WAITS: RetryPolicy = { firstWaitMs: 20, factor: 2, maxWaitMs: 2_000, jitter: 0.5, maxAttempts: undefined };

/**
 * Runs a piece of database work again until it succeeds, as long as its failures may pass (a deadlock, a lock, a lost connection). The work
 * must be right when it is repeated after a commit whose answer was lost.
 * @param goOn asked before each repeat; false: the last error is thrown
 * @throws the work's error when it is not of that kind
 */
export function persist<T>(work: () => Promise<T>, goOn: () => boolean): Promise<T> {
  return withRetries(work, { policy: WAITS, mayRetry: (error) => isTransient(classifySqlError(error)) && goOn() });
}
