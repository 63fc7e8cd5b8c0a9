import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { BatchDeadlineExceeded, BatcherFull, NaturalBatcher } from './natural-batcher.ts';

/** A flush whose end the test decides. */
function gate() {
  const batches: number[][] = [];
  const open: (() => void)[] = [];
  const flush = (items: readonly number[]) => {
    batches.push([...items]);
    return new Promise<number[]>((resolve) => open.push(() => resolve(items.map((n) => n * 10))));
  };
  const release = async () => {
    while (open.length === 0) await new Promise(setImmediate);
    open.shift()?.();
  };
  return { batches, flush, release };
}

describe('NaturalBatcher', () => {
  it('lets a lone call go at once and gathers the callers that come while it runs', async () => {
    const { batches, flush, release } = gate();
    const batcher = new NaturalBatcher<number, number>({ name: 't', flush });
    const first = batcher.add(1);
    await new Promise(setImmediate);
    const rest = [batcher.add(2), batcher.add(3), batcher.add(4)];
    await release();
    expect(await first).toBe(10);
    await release();
    expect(await Promise.all(rest)).toEqual([20, 30, 40]);
    expect(batches).toEqual([[1], [2, 3, 4]]);
  });

  it('tells a flush until when somebody waits, and tries a part of a failed batch only for those who still do', async () => {
    const tried: (readonly number[])[] = [];
    const untils: number[] = [];
    const soon = performance.now() + 50;
    const late = performance.now() + 600_000;
    const flush = async (items: readonly number[], until: number) => {
      tried.push(items);
      untils.push(until);
      if (items.length === 1) return items;
      while (performance.now() <= soon) await sleep(5);
      throw new Error('one of them is bad');
    };
    const batcher = new NaturalBatcher<number, number>({ name: 't', flush });
    const results = await Promise.allSettled([batcher.add(1, soon), batcher.add(2, late)]);
    expect(results).toMatchObject([{ reason: expect.any(BatchDeadlineExceeded) }, { value: 2 }]);
    expect(tried).toEqual([[1, 2], [2]]);
    expect(untils).toEqual([late, late]);
  });

  it('cuts a flush by count and by bytes, and lets one large item go alone', async () => {
    const batches: number[][] = [];
    const flush = async (items: readonly number[]) => {
      batches.push([...items]);
      return [...items];
    };
    const batcher = new NaturalBatcher<number, number>({ name: 't', flush, maxCount: 3, maxBytes: 10, sizeOf: (n) => n });
    await Promise.all([4, 4, 4, 50, 1, 1, 1, 1].map((n) => batcher.add(n)));
    expect(batches).toEqual([[4, 4], [4], [50], [1, 1, 1], [1]]);
  });

  it('does first in the next flush what a flush has left, where it may', async () => {
    const batches: number[][] = [];
    const meanwhile: Promise<number>[] = [];
    const flush = async (items: readonly number[]) => {
      if (batches.push([...items]) === 1) meanwhile.push(batcher.add(4));
      return items.slice(0, 2);
    };
    const batcher: NaturalBatcher<number, number> = new NaturalBatcher({ name: 't', flush, leavesRest: true });
    expect(await Promise.all([1, 2, 3].map((n) => batcher.add(n)))).toEqual([1, 2, 3]);
    expect(await Promise.all(meanwhile)).toEqual([4]);
    expect(batches).toEqual([
      [1, 2, 3],
      [3, 4],
    ]);
    const strict = new NaturalBatcher<number, number>({ name: 'strict', flush: async (items) => items.slice(0, 2), bisect: () => false });
    await expect(Promise.all([1, 2, 3].map((n) => strict.add(n)))).rejects.toThrow('strict: 2 results for 3 items');
    const idle = new NaturalBatcher<number, number>({ name: 'idle', flush: async () => [], bisect: () => false, leavesRest: true });
    await expect(idle.add(1)).rejects.toThrow('idle: 0 results for 1 items');
  });

  it('fails only the bad item of a batch', async () => {
    const flush = async (items: readonly number[]) => {
      if (items.includes(3)) throw new Error('bad 3');
      return [...items];
    };
    const batcher = new NaturalBatcher<number, number>({ name: 't', flush });
    const results = await Promise.allSettled([1, 2, 3, 4, 5].map((n) => batcher.add(n)));
    expect(results.map((result) => result.status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled', 'fulfilled']);
  });

  it('fails the whole batch when halving it cannot help', async () => {
    let flushes = 0;
    const flush = async (): Promise<number[]> => {
      flushes++;
      throw new Error('connection gone');
    };
    const batcher = new NaturalBatcher<number, number>({ name: 't', flush, bisect: () => false });
    const results = await Promise.allSettled([batcher.add(1), batcher.add(2)]);
    expect(results.every((result) => result.status === 'rejected')).toBe(true);
    expect(flushes).toBe(1);
  });

  it('gives each caller the error that stands at its place', async () => {
    const flush = async (items: readonly number[]) => items.map((n) => (n === 2 ? new Error('two') : n));
    const batcher = new NaturalBatcher<number, number>({ name: 't', flush });
    const results = await Promise.allSettled([batcher.add(1), batcher.add(2)]);
    expect(results).toMatchObject([{ value: 1 }, { reason: { message: 'two' } }]);
  });

  it('drops a caller whose deadline has passed before its flush', async () => {
    const { batches, flush, release } = gate();
    const batcher = new NaturalBatcher<number, number>({ name: 't', flush });
    const first = batcher.add(1);
    await new Promise(setImmediate);
    const late = batcher.add(2, performance.now() - 1);
    await release();
    await first;
    await expect(late).rejects.toBeInstanceOf(BatchDeadlineExceeded);
    expect(batches).toEqual([[1]]);
  });

  it('refuses more than it may hold', async () => {
    const batcher = new NaturalBatcher<number, number>({ name: 't', flush: async (items) => [...items], maxQueued: 1 });
    const taken = batcher.add(1);
    await expect(batcher.add(2)).rejects.toBeInstanceOf(BatcherFull);
    expect(await taken).toBe(1);
  });

  it('gathers no longer than until a batch is full', async () => {
    const { batches, flush, release } = gate();
    const batcher = new NaturalBatcher<number, number>({ name: 't', flush, maxCount: 2, lingerMs: 60_000 });
    const calls = Promise.all([1, 2].map((item) => batcher.add(item)));
    await release();
    expect(await calls).toEqual([10, 20]);
    expect(batches).toEqual([[1, 2]]);
  });

  it('rests after a flush that many came during, as long as that took, and gathers more', async () => {
    const { batches, flush, release } = gate();
    const batcher = new NaturalBatcher<number, number>({ name: 't', flush, maxAdaptiveLingerMs: 60_000 });
    const calls = [batcher.add(1)];
    await new Promise(setImmediate);
    calls.push(...[2, 3, 4, 5].map((item) => batcher.add(item)));
    await sleep(100);
    await release();
    await calls[0];
    calls.push(batcher.add(6));
    await new Promise(setImmediate);
    expect(batches).toEqual([[1]]);
    await release();
    expect(await Promise.all(calls)).toEqual([10, 20, 30, 40, 50, 60]);
    expect(batches).toEqual([[1], [2, 3, 4, 5, 6]]);
  });

  it.each([
    ['few came meanwhile', [2, 3, 4], 128],
    ['the batch is full', [2, 3, 4, 5], 4],
  ])('does not rest when %s', async (_when, others, maxCount) => {
    const { batches, flush, release } = gate();
    const batcher = new NaturalBatcher<number, number>({ name: 't', flush, maxCount, maxAdaptiveLingerMs: 60_000 });
    const calls = [batcher.add(1)];
    await new Promise(setImmediate);
    calls.push(...others.map((item) => batcher.add(item)));
    await sleep(50);
    await release();
    await calls[0];
    for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate);
    expect(batches).toEqual([[1], others]);
    await release();
    await Promise.all(calls);
  });

  it('says in its errors whose they are', async () => {
    const { flush, release } = gate();
    const batcher = new NaturalBatcher<number, number>({ name: 't', flush, maxQueued: 1 });
    const first = batcher.add(1);
    await new Promise(setImmediate);
    const late = batcher.add(2, 0);
    await expect(batcher.add(3)).rejects.toMatchObject({ name: 'BatcherFull', message: 't: 1 calls wait already' });
    await release();
    await first;
    await expect(late).rejects.toMatchObject({ name: 'BatchDeadlineExceeded', message: 't: the deadline ran out before the work began' });
  });

  it('takes an answer with another number of results for none', async () => {
    const batcher = new NaturalBatcher<number, number>({ name: 't', flush: async () => [1, 2] });
    await expect(batcher.add(1)).rejects.toThrow('t: 2 results for 1 items');
    expect(await Promise.all([batcher.add(2), batcher.add(3)])).toEqual([1, 2]);
  });

  it('by default takes 128 at a time, in order, however many wait, and counts their bytes only where told how', async () => {
    const flushed: number[] = [];
    const untils = new Set<number>();
    const flush = async (items: readonly number[], until: number) => {
      untils.add(until);
      return items;
    };
    const batcher = new NaturalBatcher<number, number>({ name: 't', flush, onFlush: (count) => flushed.push(count) });
    const numbers = Array.from({ length: 3_000 }, (_, n) => n);
    const calls = numbers.map((n) => batcher.add(n));
    expect(batcher.queued).toBe(3_000);
    expect(await Promise.all(calls)).toEqual(numbers);
    expect(flushed).toEqual([...Array(23).fill(128), 56]);
    expect(untils).toEqual(new Set([Number.POSITIVE_INFINITY]));
    expect(batcher.queued).toBe(0);
    await batcher.drain();
  });

  it('has as many flushes under way at once as it is told', async () => {
    const { batches, flush, release } = gate();
    const batcher = new NaturalBatcher<number, number>({ name: 't', flush, maxCount: 1, maxInFlight: 2 });
    const calls = [1, 2, 3].map((n) => batcher.add(n));
    for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
    expect(batches).toEqual([[1], [2]]);
    for (const _ of calls) await release();
    expect(await Promise.all(calls)).toEqual([10, 20, 30]);
  });

  it('fits into a flush what fills its bytes exactly', async () => {
    const flushed: number[] = [];
    const options = { name: 't', flush: async (items: readonly number[]) => items, maxBytes: 10, sizeOf: (n: number) => n };
    const batcher = new NaturalBatcher<number, number>({ ...options, onFlush: (count) => flushed.push(count) });
    await Promise.all([4, 6, 1].map((n) => batcher.add(n)));
    expect(flushed).toEqual([2, 1]);
  });

  it('drains what waits and what is under way', async () => {
    const done: number[] = [];
    const flush = async (items: readonly number[]) => {
      await new Promise(setImmediate);
      done.push(...items);
      return [...items];
    };
    const batcher = new NaturalBatcher<number, number>({ name: 't', flush, maxCount: 1 });
    void batcher.add(1);
    void batcher.add(2);
    await batcher.drain();
    expect(done).toEqual([1, 2]);
  });
});
