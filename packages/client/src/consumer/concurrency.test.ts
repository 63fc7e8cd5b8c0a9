import { describe, expect, it } from 'vitest';
import { Semaphore } from './handle/semaphore.ts';
import { prefetchCapacity } from './receive/prefetch-queue.ts';

const tick = () => new Promise(setImmediate);

describe('Semaphore', () => {
  it('runs no more at once than its limit, and all in the end', async () => {
    const slots = new Semaphore(2);
    let now = 0;
    let most = 0;
    const results = await Promise.all(
      [1, 2, 3, 4, 5].map((n) =>
        slots.run(n, async () => {
          most = Math.max(most, ++now);
          await tick();
          now--;
          return n;
        }),
      ),
    );
    expect(results).toEqual([1, 2, 3, 4, 5]);
    expect(most).toBe(2);
  });

  it('gives its places to those who wait in turn, however many pieces one of them has', async () => {
    const slots = new Semaphore(1);
    const ran: string[] = [];
    const release = await slots.acquire('a');
    const piece = (owner: string) => slots.run(owner, async () => void ran.push(owner));
    const all = [...'aaaabbc'].map(piece);
    release();
    await Promise.all(all);
    expect(ran.join('')).toBe('abcabaa');
  });

  it('frees the place of work that throws', async () => {
    const slots = new Semaphore(1);
    await expect(slots.run('a', () => Promise.reject(new Error('x')))).rejects.toThrow('x');
    await expect(slots.run('a', async () => 1)).resolves.toBe(1);
  });
});

describe('prefetchCapacity', () => {
  const options = { concurrency: 4, maxBatch: 1, leaseMs: 60_000, maxInMemory: 500 };
  it.each([
    ['a fast handler: what memory may hold', 1, 500],
    ['a slow handler: half a lease of work', 1_000, 120],
    ['slower than half a lease: one for each worker', 100_000, 4],
    ['no measurable time', 0, 500],
  ])('%s', (_name, messageMs, expected) => {
    expect(prefetchCapacity(options, messageMs)).toBe(expected);
  });

  it('never is more than memory may hold, and never nothing', () => {
    expect(prefetchCapacity({ ...options, maxInMemory: 2 }, 100_000)).toBe(2);
    expect(prefetchCapacity({ ...options, concurrency: 1 }, 1e9)).toBe(1);
  });
});
