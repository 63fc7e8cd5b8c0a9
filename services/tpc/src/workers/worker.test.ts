import { createLog } from '@tpc/platform';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createWorker, MAX_FAILURE_PAUSE_MS, POLL_JITTER } from './worker.ts';

const POLL_MS = 1_000;
const log = createLog({ service: 'test', level: 'silent', format: 'json' });

/** A worker whose passes answer or fail as given, then find nothing. Time is the test's. */
function make(passes: ({ more: boolean } | Error)[] = [], random = 0.5) {
  const pass = vi.fn(async () => {
    const next = passes.shift() ?? { more: false };
    if (next instanceof Error) throw next;
    return next;
  });
  return { pass, worker: createWorker({ name: 'test', pollMs: POLL_MS, pass, log, random: () => random }) };
}

describe('worker', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.restoreAllMocks();
  });
  /** Lets everything happen that waits for no timer. */
  const settle = async () => {
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
  };

  it('looks again at once after a full claim, else after its interval', async () => {
    const { worker, pass } = make([{ more: true }, { more: true }, { more: false }]);
    worker.start();
    await settle();
    expect(pass).toHaveBeenCalledTimes(3);
    vi.advanceTimersByTime(POLL_MS - 1);
    await settle();
    expect(pass).toHaveBeenCalledTimes(3);
    vi.advanceTimersByTime(1);
    await settle();
    expect(pass).toHaveBeenCalledTimes(4);
    await worker.stop();
  });

  it.each([
    [0, POLL_MS * (1 - POLL_JITTER)],
    [1, POLL_MS * (1 + POLL_JITTER)],
  ])('spreads its interval, so that replicas do not look together (random %d: %d ms)', async (random, pauseMs) => {
    const { worker, pass } = make([], random);
    worker.start();
    await settle();
    vi.advanceTimersByTime(pauseMs - 1);
    await settle();
    expect(pass).toHaveBeenCalledTimes(1);
    vi.advanceTimersByTime(1);
    await settle();
    expect(pass).toHaveBeenCalledTimes(2);
    await worker.stop();
  });

  it('looks at once when woken, also when woken during a pass', async () => {
    const { worker, pass } = make();
    worker.start();
    worker.wake();
    await settle();
    expect(pass).toHaveBeenCalledTimes(2);
    worker.wake();
    await settle();
    expect(pass).toHaveBeenCalledTimes(3);
    await worker.stop();
  });

  it('waits longer after each failure up to a limit, warns of the first alone, and says when it goes on', async () => {
    const warn = vi.spyOn(log, 'warn');
    const info = vi.spyOn(log, 'info');
    const { worker, pass } = make(Array.from({ length: 6 }, () => new Error('database away')));
    worker.start();
    for (const pauseMs of [2_000, 4_000, 8_000, MAX_FAILURE_PAUSE_MS, MAX_FAILURE_PAUSE_MS, MAX_FAILURE_PAUSE_MS]) {
      await settle();
      const before = pass.mock.calls.length;
      vi.advanceTimersByTime(pauseMs - 1);
      await settle();
      expect(pass).toHaveBeenCalledTimes(before);
      vi.advanceTimersByTime(1);
    }
    await settle();
    expect(pass).toHaveBeenCalledTimes(7);
    expect(warn).toHaveBeenCalledTimes(1);
    expect(info).toHaveBeenCalledTimes(1);
    await worker.stop();
  });

  it('waits for the pass under way when it stops, and begins none after it', async () => {
    const { promise, resolve } = Promise.withResolvers<{ more: boolean }>();
    const pass = vi.fn(() => promise);
    const worker = createWorker({ name: 'test', pollMs: POLL_MS, pass, log });
    worker.start();
    await settle();
    let stopped = false;
    const stopping = worker.stop().then(() => {
      stopped = true;
    });
    await settle();
    expect(stopped).toBe(false);
    resolve({ more: true });
    await stopping;
    expect(pass).toHaveBeenCalledTimes(1);
  });
});
