import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fairShares } from './fair-shares.ts';

describe('fairShares', () => {
  it('gives each owner an equal part, and the rest to the first ones', () => {
    expect(fairShares([1, 2, 3], 11, 0)).toEqual([
      { owner: 1, share: 4 },
      { owner: 2, share: 4 },
      { owner: 3, share: 3 },
    ]);
  });

  it('takes a random stretch of more owners than the limit', () => {
    expect(fairShares([1, 2, 3, 4], 2, 0.75)).toEqual([
      { owner: 4, share: 1 },
      { owner: 1, share: 1 },
    ]);
  });

  it('never gives more than the limit, nothing to nobody, and at least one to each that has a turn', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.integer(), { maxLength: 20 }),
        fc.integer({ min: 0, max: 50 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (owners, limit, random) => {
          const shares = fairShares(owners, limit, random);
          expect(shares.reduce((sum, one) => sum + one.share, 0)).toBe(owners.length === 0 ? 0 : limit);
          expect(new Set(shares.map((one) => one.owner)).size).toBe(Math.min(owners.length, limit));
          expect(shares.every((one) => one.share > 0)).toBe(true);
        },
      ),
    );
  });
});
