import { describe, expect, it } from 'vitest';
import { Gate } from './gate.ts';
import { laneCapacity } from './lane.ts';
import { Semaphore } from './semaphore.ts';

const LONG_MS = 3_600_000;

type Job = ReturnType<typeof job>;

const tick = () => new Promise(setImmediate);

/** Work whose end the test decides. */
function job(running: string[], name: string) {
  const end = Promise.withResolvers<void>();
  const work = async () => {
    running.push(name);
    await end.promise;
    running.splice(running.indexOf(name), 1);
  };
  return { work, end: () => end.resolve() };
}

describe('Gate', () => {
  it('lets many run beside each other and one alone, in the order of their coming', async () => {
    const gate = new Gate();
    const running: string[] = [];
    const [a, b, lone, c] = ['a', 'b', 'lone', 'c'].map((name) => job(running, name)) as [Job, Job, Job, Job];
    const all = [gate.shared(a.work), gate.shared(b.work), gate.alone(LONG_MS, lone.work), gate.shared(c.work)];
    await tick();
    expect(running).toEqual(['a', 'b']);
    a.end();
    await tick();
    expect(running).toEqual(['b']);
    b.end();
    await tick();
    expect(running).toEqual(['lone']);
    lone.end();
    await tick();
    expect(running).toEqual(['c']);
    c.end();
    await Promise.all(all);
  });

  it('goes on after work that throws', async () => {
    const gate = new Gate();
    await expect(gate.alone(LONG_MS, () => Promise.reject(new Error('x')))).rejects.toThrow('x');
    await expect(gate.shared(async () => 1)).resolves.toBe(1);
    await expect(gate.alone(LONG_MS, async () => 2)).resolves.toBe(2);
  });
});

describe('Gate, with one that does not end', () => {
  it('gives the turn of the one that wants to be alone to those behind it', async () => {
    const gate = new Gate();
    const running: string[] = [];
    const [hung, after] = ['hung', 'after'].map((name) => job(running, name)) as [Job, Job];
    const first = gate.shared(hung.work);
    let ran = false;
    const lone = gate.alone(5, async () => {
      ran = true;
    });
    const last = gate.shared(after.work);
    await tick();
    expect(running).toEqual(['hung']);
    expect(await lone).toBeUndefined();
    await tick();
    expect(running).toEqual(['hung', 'after']);
    hung.end();
    after.end();
    await Promise.all([first, last]);
    expect(ran).toBe(false);
  });
});

describe('Semaphore', () => {
  it('runs no more at once than its limit, and all in the end', async () => {
    const slots = new Semaphore(2);
    let now = 0;
    let most = 0;
    const results = await Promise.all(
      [1, 2, 3, 4, 5].map((n) =>
        slots.run(async () => {
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

  it('frees the place of work that throws', async () => {
    const slots = new Semaphore(1);
    await expect(slots.run(() => Promise.reject(new Error('x')))).rejects.toThrow('x');
    await expect(slots.run(async () => 1)).resolves.toBe(1);
  });
});

describe('laneCapacity', () => {
  const options = { concurrency: 4, maxBatch: 1, leaseMs: 60_000, maxInMemory: 500 };
  it.each([
    ['a fast handler: what memory may hold', 1, 500],
    ['a slow handler: half a lease of work', 1_000, 120],
    ['slower than half a lease: one for each worker', 100_000, 4],
    ['no measurable time', 0, 500],
  ])('%s', (_name, messageMs, expected) => {
    expect(laneCapacity(options, messageMs)).toBe(expected);
  });

  it('never is more than memory may hold, and never nothing', () => {
    expect(laneCapacity({ ...options, maxInMemory: 2 }, 100_000)).toBe(2);
    expect(laneCapacity({ ...options, concurrency: 1 }, 1e9)).toBe(1);
  });
});
