import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { helpedUntil, type RedeliveryFacts, redeliveryHelps } from './redelivery.ts';

const MINUTE = 60_000;
const facts: RedeliveryFacts = {
  publishedAt: 1_000_000,
  urgent: false,
  groupProgressAt: undefined,
  idleSince: undefined,
  overtakenByMs: MINUTE,
};

describe('redeliveryHelps', () => {
  it.each<[string, Partial<RedeliveryFacts>, boolean]>([
    ['nothing is known of the group', {}, false],
    ['the group has received nothing as late: a backlog', { groupProgressAt: 1_000_000 + MINUTE - 1 }, false],
    ['the group has received what was published a minute later', { groupProgressAt: 1_000_000 + MINUTE }, true],
    ['all live instances are idle, but only shortly after it was published', { idleSince: 1_000_000 + MINUTE - 1 }, false],
    ['all live instances are idle a minute after it was published', { idleSince: 1_000_000 + MINUTE }, true],
    ['it still waits to be published', { publishedAt: undefined, groupProgressAt: 9_000_000, idleSince: 9_000_000 }, false],
    ['an operator wants it', { publishedAt: undefined, urgent: true }, true],
  ])('when %s', (_when, changed, expected) => {
    expect(redeliveryHelps({ ...facts, ...changed })).toBe(expected);
  });
});

describe('helpedUntil', () => {
  it.each<[number | undefined, number | undefined, number | undefined]>([
    [undefined, undefined, undefined],
    [MINUTE, undefined, 0],
    [undefined, MINUTE + 1, 1],
    [3 * MINUTE, 2 * MINUTE, 2 * MINUTE],
    [2 * MINUTE, 3 * MINUTE, 2 * MINUTE],
  ])('where progress has come to %s, and idleness to %s, is %s', (latestProgressAt, idleSince, expected) => {
    expect(helpedUntil({ latestProgressAt, idleSince, overtakenByMs: MINUTE })).toBe(expected);
  });

  it('says of each copy what the rule itself says', () => {
    const time = fc.option(fc.integer({ min: 1, max: 5 * MINUTE }), { nil: undefined });
    fc.assert(
      fc.property(time, time, fc.integer({ min: 1, max: 5 * MINUTE }), (progress, idleSince, publishedAt) => {
        const until = helpedUntil({ latestProgressAt: progress, idleSince, overtakenByMs: MINUTE });
        expect(redeliveryHelps({ ...facts, publishedAt, groupProgressAt: progress, idleSince })).toBe(until !== undefined && publishedAt <= until);
      }),
    );
  });
});
