/** How long to wait before trying again: growing by a factor up to a cap, spread by jitter so that many do not come at once. */
export type RetryPolicy = {
  /** First wait, milliseconds. */
  firstWaitMs: number;
  /** Each wait is this many times the one before. At least 1. */
  factor: number;
  /** Longest wait, milliseconds. */
  maxWaitMs: number;
  /** Share of the wait that is random, 0 to 1: with 0.2 a wait of 10 s lies between 8 and 12 s. */
  jitter: number;
  /** Tries in all before the work counts as failed; undefined: for ever at the cap. */
  maxAttempts: number | undefined;
};

/**
 * Wait after the n-th failed try.
 * @param attempt tries so far, from 1
 * @param random a number in [0, 1)
 * @returns whole milliseconds, at least 1
 */
export function waitBeforeRetry(policy: RetryPolicy, attempt: number, random: number): number {
  const grown = policy.firstWaitMs * policy.factor ** Math.max(0, attempt - 1);
  const capped = Math.min(policy.maxWaitMs, Number.isFinite(grown) ? grown : policy.maxWaitMs);
  return Math.max(1, Math.round(capped * (1 + policy.jitter * (2 * random - 1))));
}

/** Whether no further try is allowed after `attempt` tries. */
export function isExhausted(policy: RetryPolicy, attempt: number): boolean {
  return policy.maxAttempts !== undefined && attempt >= policy.maxAttempts;
}
