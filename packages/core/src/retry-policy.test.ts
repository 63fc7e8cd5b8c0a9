import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isExhausted, type RetryPolicy, waitBeforeRetry, withRetries } from './retry-policy.ts';

const policy: RetryPolicy = { firstWaitMs: 1000, factor: 2, maxWaitMs: 60_000, jitter: 0.2, maxAttempts: 5 };

describe('waitBeforeRetry', () => {
  it.each([
    [0, 1000],
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
    expect(waitBeforeRetry({ ...policy, jitter: 1 }, 1, 0.25)).toBe(500);
  });

  it('is a whole number of milliseconds that a timer takes, at least 1, whatever the policy', () => {
    const policies = fc.record({
      firstWaitMs: fc.double({ min: 0, max: 10_000, noNaN: true }),
      factor: fc.double({ min: 1, max: 10, noNaN: true }),
      maxWaitMs: fc.integer({ min: 1, max: 100_000 }),
      jitter: fc.double({ min: 0, max: 1, noNaN: true }),
      maxAttempts: fc.constant(undefined),
    });
    const randoms = fc.double({ min: 0, max: 0.999_999, noNaN: true });
    fc.assert(
      fc.property(policies, fc.integer({ min: 0, max: 10_000 }), randoms, (any, attempt, random) => {
        const wait = waitBeforeRetry(any, attempt, random);
        expect(Number.isInteger(wait) && wait >= 1 && wait <= Math.ceil(any.maxWaitMs * (1 + any.jitter))).toBe(true);
      }),
    );
    // A first wait of 0 that has grown without end is no number.
    expect(waitBeforeRetry({ ...policy, firstWaitMs: 0 }, 5000, 0.5)).toBe(60_000);
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
