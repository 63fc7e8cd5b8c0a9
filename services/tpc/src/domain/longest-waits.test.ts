import { type RetryPolicy, waitBeforeRetry } from '@tpc/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dueBounds } from './longest-waits.ts';

const DAY_MS = 86_400_000;
/** As the settings allow them: the first wait is not above the longest. */
const policy = fc.record({ first: fc.integer({ min: 10, max: DAY_MS }), longest: fc.integer({ min: 10, max: DAY_MS }) }).map(
  ({ first, longest }): RetryPolicy => ({
    firstWaitMs: Math.min(first, longest),
    factor: 2,
    maxWaitMs: longest,
    jitter: 0.2,
    maxAttempts: undefined,
  }),
);
const waits = fc.record({ check: policy, publish: policy, redeliver: policy, overdueAfterMs: fc.integer({ min: 10, max: 30 * DAY_MS }) });
const lease = fc.integer({ min: 2_000, max: 600_000 });
const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

describe('dueBounds', () => {
  it('no wait of the policies is beyond its bound', () => {
    fc.assert(
      fc.property(waits, lease, random, fc.integer({ min: 1, max: 100 }), (given, leaseMs, jitter, attempt) => {
        const bounds = dueBounds(given, leaseMs);
        const longest = (of: RetryPolicy) => waitBeforeRetry(of, attempt, jitter);
        expect(longest(given.check)).toBeLessThanOrEqual(bounds.check.longestMs);
        expect(Math.max(longest(given.publish), leaseMs)).toBeLessThanOrEqual(bounds.publish.longestMs);
        expect(bounds.urgent).toEqual(bounds.publish);
        expect(given.overdueAfterMs).toBeLessThanOrEqual(bounds.follow.longestMs);
        expect(longest(given.redeliver)).toBeLessThanOrEqual(bounds.waiting.longestMs);
      }),
    );
  });

  it('what is due instead is never beyond the bound, so nothing is pulled in twice', () => {
    fc.assert(
      fc.property(waits, lease, (given, leaseMs) => {
        for (const { insteadMs, longestMs } of Object.values(dueBounds(given, leaseMs))) expect(insteadMs).toBeLessThan(longestMs);
      }),
    );
  });
});
