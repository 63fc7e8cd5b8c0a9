import { describe, expect, it } from 'vitest';
import { growingWait } from './waits.ts';

describe('growingWait', () => {
  it('doubles from 200 ms up to 5 s', () => {
    const middle = () => 0.5;
    expect([0, 1, 2, 3, 4, 5, 6, 50].map((failures) => growingWait(failures, middle))).toEqual([200, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
  });

  it('spreads by a fifth, so that replicas do not come back in step', () => {
    expect(growingWait(1, () => 0)).toBe(160);
    expect(growingWait(1, () => 0.999_999)).toBe(240);
  });
});
