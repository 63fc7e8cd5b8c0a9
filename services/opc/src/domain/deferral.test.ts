import { describe, expect, it } from 'vitest';
import { type DeferralPolicy, deferredFor, inWords, waitAfterDeferral } from './deferral.ts';

const SECOND = 1_000;
const HOUR = 3_600 * SECOND;
const DAY = 24 * HOUR;
const policy: DeferralPolicy = { firstWaitMs: 30 * SECOND, maxWaitMs: 4 * HOUR, lifeMs: 5 * DAY, maxDeferrals: undefined };
const MIDDLE = 0.5;

describe('a deferred mail', () => {
  it.each([
    [0, 30 * SECOND],
    [1, 60 * SECOND],
    [5, 960 * SECOND],
    [8, 7_680 * SECOND],
    [9, 4 * HOUR],
    [20, 4 * HOUR],
  ])('waits longer each time, up to hours: after %i earlier deferrals', (deferrals, wait) => {
    expect(waitAfterDeferral(deferrals, policy, MIDDLE)).toBe(wait);
  });

  it('spreads its waits', () => {
    expect(waitAfterDeferral(0, policy, 0)).toBe(24 * SECOND);
    expect(waitAfterDeferral(0, policy, 0.999_999)).toBe(36 * SECOND);
  });

  it('has failed at the end of its life, after a last try there', () => {
    let deferrals = 0;
    let waited = 0;
    for (let wait = waitAfterDeferral(0, policy, MIDDLE); wait !== undefined; wait = waitAfterDeferral(deferrals, policy, MIDDLE)) {
      waited += wait;
      deferrals++;
    }
    expect(waited).toBe(5 * DAY);
    expect(deferrals).toBeLessThan(50);
  });

  it('waits at least a millisecond, and no longer than its life has left', () => {
    expect(waitAfterDeferral(0, { ...policy, firstWaitMs: 0.1 }, MIDDLE)).toBe(1);
    expect(waitAfterDeferral(0, { ...policy, lifeMs: 7 }, MIDDLE)).toBe(7);
    expect(waitAfterDeferral(1, { ...policy, lifeMs: 30 * SECOND }, MIDDLE)).toBeUndefined();
    expect(waitAfterDeferral(1, { ...policy, lifeMs: 30 * SECOND + 1 }, MIDDLE)).toBe(1);
  });

  it('has failed after so many tries, where a number is set', () => {
    expect(waitAfterDeferral(1, { ...policy, maxDeferrals: 3 }, MIDDLE)).toBeDefined();
    expect(waitAfterDeferral(2, { ...policy, maxDeferrals: 3 }, MIDDLE)).toBeUndefined();
  });

  it.each([
    [0, 0],
    [1, 30 * SECOND],
    [2, 90 * SECOND],
    [9, 15_330 * SECOND],
    [10, 15_330 * SECOND + 4 * HOUR],
  ])('has waited the sum of its waits: %i', (deferrals, waited) => {
    expect(deferredFor(deferrals, policy)).toBe(waited);
  });

  it('grows not at all where first and longest wait are the same', () => {
    expect(deferredFor(3, { ...policy, firstWaitMs: 10, maxWaitMs: 10 })).toBe(30);
  });
});

it.each([
  [5 * DAY, '5 days'],
  [36 * HOUR, '36 hours'],
  [90 * 60 * SECOND, '90 minutes'],
  [1_500, '2 seconds'],
  [2 * DAY, '2 days'],
  [2 * DAY - SECOND, '48 hours'],
  [2 * HOUR, '2 hours'],
  [120 * SECOND, '2 minutes'],
  [119 * SECOND, '119 seconds'],
  [1_000, '1 second'],
  [0, '0 seconds'],
])('%i ms are %s', (ms, words) => {
  expect(inWords(ms)).toBe(words);
});
