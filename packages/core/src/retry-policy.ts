import { pause } from './time.ts';

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

/** The longest wait that `waitBeforeRetry` may answer, milliseconds; not rounded. */
export function longestWait({ maxWaitMs, jitter }: RetryPolicy): number {
  return maxWaitMs * (1 + jitter);
}

/** Whether no further try is allowed after `attempt` tries. */
export function isExhausted(policy: RetryPolicy, attempt: number): boolean {
  return policy.maxAttempts !== undefined && attempt >= policy.maxAttempts;
}

/**
 * Does work again until it succeeds, with the policy's waits in between.
 * @param mayRetry asked after each failure, and told how many tries there were; false, or the policy's last try: the error is thrown
 * @param signal ends the waiting
 * @throws the work's last error, what `mayRetry` throws, or the signal's reason
 */
export async function withRetries<T>(
  work: () => Promise<T>,
  {
    policy,
    mayRetry,
    signal,
  }: { policy: RetryPolicy; mayRetry: (error: unknown, attempt: number) => boolean | Promise<boolean>; signal?: AbortSignal | undefined },
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      if (isExhausted(policy, attempt) || !(await mayRetry(error, attempt))) throw error;
    }
    await pause(waitBeforeRetry(policy, attempt, Math.random()), signal);
  }
}
