import { describe, expect, it } from 'vitest';
import { silentLog } from './log.ts';
import { Loop } from './loop.ts';

const LONG_MS = 3_600_000;

describe('a background duty', () => {
  it('stops at once while it waits', async () => {
    let passes = 0;
    const first = Promise.withResolvers<void>();
    const loop = new Loop(
      't',
      async () => {
        passes++;
        first.resolve();
        return LONG_MS;
      },
      silentLog,
    );
    loop.start();
    await first.promise;
    await loop.stop();
    expect(passes).toBe(1);
  });

  it('runs again when it is woken, also when that came during a pass', async () => {
    let passes = 0;
    const third = Promise.withResolvers<void>();
    const loop = new Loop(
      't',
      async () => {
        if (++passes < 3) loop.wake();
        else third.resolve();
        return LONG_MS;
      },
      silentLog,
    );
    loop.start();
    await third.promise;
    await loop.stop();
  });

  it('waits for the pass under way when it stops, and begins none after', async () => {
    let passes = 0;
    const door = Promise.withResolvers<void>();
    const loop = new Loop(
      't',
      async () => {
        passes++;
        await door.promise;
        return 0;
      },
      silentLog,
    );
    loop.start();
    loop.start();
    const stopped = loop.stop();
    door.resolve();
    await stopped;
    expect(passes).toBe(1);
  });

  it('goes on after a pass that throws, and says so once', async () => {
    const said: string[] = [];
    const third = Promise.withResolvers<void>();
    let passes = 0;
    const loop = new Loop(
      't',
      async () => {
        if (++passes === 3) third.resolve();
        throw new Error('x');
      },
      { ...silentLog, warn: (_fields, message) => void said.push(message) },
    );
    loop.start();
    await third.promise;
    await loop.stop();
    expect(said).toHaveLength(1);
  });
});
