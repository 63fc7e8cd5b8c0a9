import { describe, expect, it } from 'vitest';
import { type RedeliveryFacts, redeliveryHelps } from './redelivery.ts';

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
