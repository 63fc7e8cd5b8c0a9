import { describe, expect, it } from 'vitest';
import { isExhausted, type RetryPolicy, waitBeforeRetry } from './retry-policy.ts';

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
