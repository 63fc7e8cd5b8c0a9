import { describe, expect, it } from 'vitest';
import { mayHold } from './shares.ts';

const held = (...counts: number[]) => new Map(counts.map((count, index) => [`t${index}`, { held: count }]));

describe('mayHold', () => {
  it.each([
    ['the only topic takes all', 16, held(15), true],
    ['and no more', 16, held(16), false],
    ['of two, one may go beyond its share', 16, held(4, 0), true],
    ['as far as the other has its own', 16, held(12, 0), false],
    ['which it always may take', 16, held(3, 12), true],
    ['what the other holds beyond its share counts as well', 16, held(8, 8), false],
    ['each may hold one, however few places there are', 1, held(0, 1, 1), true],
    ['but not two of them', 1, held(1, 0, 0), false],
  ])('%s', (_name, max, counts, expected) => {
    expect(mayHold('t0', max, counts)).toBe(expected);
  });

  it('never holds more than there are places, whoever comes first', () => {
    for (const first of ['t0', 't1', 't2']) {
      const counts = held(0, 0, 0);
      for (const topic of [first, 't2', 't1', 't0']) {
        while (mayHold(topic, 32, counts)) counts.set(topic, { held: (counts.get(topic)?.held ?? 0) + 1 });
      }
      const all = [...counts.values()].map((queue) => queue.held);
      expect(all.reduce((sum, count) => sum + count)).toBe(32);
      for (const count of all) expect(count).toBeGreaterThanOrEqual(5);
    }
  });
});
