import { describe, expect, it } from 'vitest';
import { createIdGenerator, ID_EPOCH_MS, NoIdLease } from './id-generator.ts';

const START = ID_EPOCH_MS + 1_000_000_000;

function generatorAt(start: number) {
  const clock = { now: start };
  return { clock, ids: createIdGenerator(() => clock.now) };
}

describe('createIdGenerator', () => {
  it('makes ids that grow and are above 2^53', () => {
    const { clock, ids } = generatorAt(ID_EPOCH_MS + 3_000_000_000);
    ids.setLease({ workerId: 1023, after: 0, until: clock.now + 1000 });
    const made = Array.from({ length: 10_000 }, () => BigInt(ids.next()));
    expect(new Set(made).size).toBe(made.length);
    expect(made).toEqual([...made].sort((a, b) => (a < b ? -1 : 1)));
    expect(made[0]).toBeGreaterThan(BigInt(Number.MAX_SAFE_INTEGER));
  });

  it('never makes an id twice when the clock goes back', () => {
    const { clock, ids } = generatorAt(START);
    ids.setLease({ workerId: 3, after: 0, until: START + 60_000 });
    const before = ids.next();
    clock.now = START - 3_600_000;
    const after = Array.from({ length: 5000 }, () => ids.next());
    expect(BigInt(after[0] as string)).toBeGreaterThan(BigInt(before));
    expect(new Set([before, ...after]).size).toBe(5001);
  });

  it('refuses without a lease, and after the end of its span', () => {
    const { clock, ids } = generatorAt(START);
    expect(() => ids.next()).toThrow(NoIdLease);
    ids.setLease({ workerId: 3, after: 0, until: START + 10 });
    ids.next();
    clock.now = START + 11;
    expect(() => ids.next()).toThrow(NoIdLease);
    ids.setLease({ workerId: 3, after: 0, until: START + 20 });
    ids.next();
    ids.setLease(undefined);
    expect(() => ids.next()).toThrow(NoIdLease);
  });

  it('shares no id with the next owner of its worker id, also when that one has a slow clock', () => {
    const first = generatorAt(START + 5_000);
    const second = generatorAt(START);
    first.ids.setLease({ workerId: 7, after: 0, until: START + 5_001 });
    second.ids.setLease({ workerId: 7, after: START + 5_001, until: START + 10_000 });
    const made = [first, second].flatMap(({ ids }) => Array.from({ length: 4000 }, () => ids.next()));
    expect(new Set(made).size).toBe(8000);
  });

  it('makes an id of its time, its worker and a counter, and nothing else', () => {
    const { ids } = generatorAt(START);
    ids.setLease({ workerId: 0b10101_01010, after: 0, until: START + 1 });
    const parts = [ids.next(), ids.next()].map((id) => {
      const bits = BigInt(id);
      return { time: Number(bits >> 22n) + ID_EPOCH_MS, worker: Number((bits >> 12n) & 1023n), counter: Number(bits & 4095n) };
    });
    expect(parts).toEqual([
      { time: START, worker: 0b10101_01010, counter: 0 },
      { time: START, worker: 0b10101_01010, counter: 1 },
    ]);
  });

  it('borrows from the next millisecond when one is full, and counts from 0 again there', () => {
    const { ids } = generatorAt(START);
    ids.setLease({ workerId: 1, after: 0, until: START + 1 });
    const made = Array.from({ length: 2 * 4096 }, () => BigInt(ids.next()));
    expect(made.map((id) => Number(id >> 22n) + ID_EPOCH_MS - START)).toEqual(made.map((_, n) => (n < 4096 ? 0 : 1)));
    expect(made.map((id) => Number(id & 4095n))).toEqual(made.map((_, n) => n % 4096));
    expect(() => ids.next()).toThrow(NoIdLease);
    expect(ids.lastUsed()).toBe(START + 1);
  });

  it('uses no time stamp of the span before its own, and all of its own', () => {
    const { clock, ids } = generatorAt(START);
    expect(ids.lastUsed()).toBe(0);
    ids.setLease({ workerId: 1, after: START + 4, until: START + 5 });
    expect(Number(BigInt(ids.next()) >> 22n) + ID_EPOCH_MS).toBe(START + 5);
    clock.now = START + 6;
    expect(() => ids.next()).toThrow(expect.objectContaining({ name: 'NoIdLease', message: expect.stringContaining('no worker id is leased') }));
    expect(ids.lastUsed()).toBe(START + 5);
  });
});
