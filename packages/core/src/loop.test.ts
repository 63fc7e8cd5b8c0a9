import { describe, expect, it } from 'vitest';
import { Loop } from './loop.ts';

const LONG_MS = 3_600_000;
const onError = () => 0;

describe('a background duty', () => {
  it('stops at once while it waits', async () => {
    let passes = 0;
    const first = Promise.withResolvers<void>();
    const turn = async () => {
      passes++;
      first.resolve();
      return LONG_MS;
    };
    const loop = new Loop({ turn, onError });
    loop.start();
    await first.promise;
    await loop.stop();
    expect(passes).toBe(1);
  });

  it('waits before its first turn where it is told to, and can be woken then', async () => {
    let passes = 0;
    const first = Promise.withResolvers<void>();
    const turn = async () => {
      passes++;
      first.resolve();
      return LONG_MS;
    };
    const loop = new Loop({ turn, onError });
    loop.start(LONG_MS);
    await new Promise(setImmediate);
    expect(passes).toBe(0);
    loop.wake();
    await first.promise;
    await loop.stop();
    expect(passes).toBe(1);
  });

  it('runs again when it is woken, also when that came during a turn', async () => {
    let passes = 0;
    const third = Promise.withResolvers<void>();
    const turn = async () => {
      if (++passes < 3) loop.wake();
      else third.resolve();
      return LONG_MS;
    };
    const loop = new Loop({ turn, onError });
    loop.start();
    await third.promise;
    await loop.stop();
    expect(passes).toBe(3);
  });

  it('waits for the turn under way when it stops, tells it so by its signal, and begins none after', async () => {
    let passes = 0;
    const door = Promise.withResolvers<void>();
    let told: AbortSignal | undefined;
    const turn = async (signal: AbortSignal) => {
      passes++;
      told = signal;
      await door.promise;
      return 0;
    };
    const loop = new Loop({ turn, onError });
    loop.start();
    loop.start();
    const stopped = loop.stop();
    expect(told?.aborted).toBe(true);
    door.resolve();
    await stopped;
    expect(passes).toBe(1);
  });

  it('goes on after turns that throw, told how many there were in a row', async () => {
    const failures: number[] = [];
    const fifth = Promise.withResolvers<void>();
    let passes = 0;
    const turn = async () => {
      if (++passes === 3) return 0;
      if (passes === 5) fifth.resolve();
      throw new Error('x');
    };
    const noted = (_error: unknown, count: number) => {
      failures.push(count);
      return 0;
    };
    const loop = new Loop({ turn, onError: noted });
    loop.start();
    await fifth.promise;
    await loop.stop();
    expect(failures).toEqual([1, 2, 1]);
  });

  it('lets others of the event loop come first, also where it waits for nothing', async () => {
    let passes = 0;
    const loop = new Loop({ turn: async () => ++passes * 0, onError });
    loop.start();
    await new Promise((resolve) => setTimeout(resolve, 1));
    await loop.stop();
    expect(passes).toBeGreaterThan(0);
  });

  it('can be started again after a stop, and takes no turn in between', async () => {
    let passes = 0;
    const loop = new Loop({ turn: async () => ++passes * 0 + 1, onError });
    for (let round = 1; round <= 20; round++) {
      loop.start();
      await loop.stop();
      expect(passes).toBe(round);
    }
    await loop.stop();
    loop.wake();
    await new Promise(setImmediate);
    expect(passes).toBe(20);
  });
});
