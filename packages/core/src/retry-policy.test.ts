import { describe, expect, it } from 'vitest';
import { isExhausted, type RetryPolicy, waitBeforeRetry, withRetries } from './retry-policy.ts';

const policy: RetryPolicy = { firstWaitMs: 1000, factor: 2, maxWaitMs: 60_000, jitter: 0.2, maxAttempts: 5 };

describe('waitBeforeRetry', () => {
  it.each([
    [1, 1000],
    [2, 2000],
    [3, 4000],
    [6, 32_000],
    [7, 60_000],
    [5000, 60_000],
  ])('after try %i waits %i ms in the middle of the jitter', (attempt, expected) => {
    expect(waitBeforeRetry(policy, attempt, 0.5)).toBe(expected);
  });

  it('spreads by the jitter and never leaves it', () => {
    expect(waitBeforeRetry(policy, 1, 0)).toBe(800);
    expect(waitBeforeRetry(policy, 1, 0.999_999)).toBe(1200);
  });
});

describe('isExhausted', () => {
  it('ends after the last allowed try, or never without a limit', () => {
    expect(isExhausted(policy, 4)).toBe(false);
    expect(isExhausted(policy, 5)).toBe(true);
    expect(isExhausted({ ...policy, maxAttempts: undefined }, 1_000_000)).toBe(false);
  });
});

describe('withRetries', () => {
  const quick: RetryPolicy = { firstWaitMs: 1, factor: 1, maxWaitMs: 1, jitter: 0, maxAttempts: 4 };
  /** Work that fails so many times. */
  const failing = (times: number) => async () => {
    if (times-- > 0) throw new Error(`${times} to go`);
    return 'done';
  };

  it('tries until the work succeeds', async () => {
    const asked: number[] = [];
    const mayRetry = (_error: unknown, attempt: number) => asked.push(attempt) > 0;
    expect(await withRetries(failing(3), { policy: quick, mayRetry })).toBe('done');
    expect(asked).toEqual([1, 2, 3]);
  });

  it('throws the last error after the last try, and any error that must not be tried again', async () => {
    await expect(withRetries(failing(9), { policy: quick, mayRetry: () => true })).rejects.toThrow('5 to go');
    await expect(withRetries(failing(9), { policy: quick, mayRetry: async () => false })).rejects.toThrow('8 to go');
  });

  it('ends its waiting with the signal, by its reason', async () => {
    const controller = new AbortController();
    const policy = { ...quick, firstWaitMs: 3_600_000, maxWaitMs: 3_600_000 };
    const mayRetry = () => {
      setImmediate(() => controller.abort(new Error('told to stop')));
      return true;
    };
    await expect(withRetries(failing(9), { policy, mayRetry, signal: controller.signal })).rejects.toThrow('told to stop');
  });
});
