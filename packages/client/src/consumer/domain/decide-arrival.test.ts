import { describe, expect, it } from 'vitest';
import { decideArrival, decideDueRow, type StoredRow } from './decide-arrival.ts';

const stored = (generation: number, state = 30): StoredRow => ({ messageKey: 'k', generation, state, claim: null, reason: '', detail: '' });

describe('decideArrival', () => {
  it.each([
    [1, [], 'new'],
    [1, [1], 'duplicate'],
    [2, [1], 'new'],
    [2, [1, 2], 'duplicate'],
    [1, [2], 'older'],
    [1, [1, 2], 'older'],
    [3, [1, 2], 'new'],
  ] as const)('of generation %i where %o are stored is %s', (generation, generations, expected) => {
    const rows = generations.map((one) => stored(one));
    expect(decideArrival({ messageKey: 'k', generation }, rows).kind).toBe(expected);
  });

  it('tells which row a duplicate meets', () => {
    expect(decideArrival({ messageKey: 'k', generation: 1 }, [stored(1, 50)])).toMatchObject({ stored: { state: 50 } });
  });
});

describe('decideDueRow', () => {
  it.each([
    [null, 0, 'ordinary'],
    [null, 3, 'ordinary'],
    ['token', 0, 'isolated'],
    ['token', 2, 'isolated'],
    ['token', 3, 'poison'],
    ['token', 4, 'poison'],
  ] as const)('with claim %s and %i lone claims is %s', (claim, loneClaims, expected) => {
    expect(decideDueRow({ claim, loneClaims }, 3)).toBe(expected);
  });
});
