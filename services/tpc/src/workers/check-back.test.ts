import { describe, expect, it, vi } from 'vitest';
import { bareConfig, NEVER_POLLS_MS, silentLog } from '../../test/worker-suite.ts';
import { DEFAULT_CHECK_POLL_MS } from '../config.ts';
import { createCheckBackWorker, type Owner } from './check-back.ts';

const owner: Owner = { producerGroup: 'P', storeId: 's' };
const HOUR_MS = 3_600_000;
const never = new AbortController().signal;

/** Uncertain messages that the test makes due. */
function make(config = { pollMs: NEVER_POLLS_MS }) {
  const due: string[] = [];
  const next = { inMs: undefined as number | undefined };
  const store = {
    claimUncertain: vi.fn(async (_owner: Owner, limit: number) =>
      due.splice(0, limit).map((messageKey) => ({ messageKey, topic: 'T', checkCount: 0, createdAt: 0, traceparent: '', tracestate: '' })),
    ),
    nextUncertainInMs: vi.fn(async (_owner: Owner) => (due.length > 0 ? 0 : next.inMs)),
  };
  const worker = createCheckBackWorker({ store, log: silentLog, config });
  return { worker, due, next, store };
}

/** A pass of this worker does nothing that can be seen without a waiting producer, so one waits. */
function makeIdle(config?: { pollMs: number }) {
  const { worker, store } = make(config);
  void worker.fetch(owner, 1, 10, never);
  return { worker, passes: () => store.nextUncertainInMs.mock.calls.length, emptyCounts: { claimed: 0, more: false } };
}

describe('check-back worker', () => {
  it('refuses a setting that cannot work', () => {
    expect(() => make({ pollMs: 0 })).toThrow(RangeError);
  });

  it('looks as often as its default says', () => {
    expect(bareConfig.TPC_CHECK_POLL_MS).toBe(DEFAULT_CHECK_POLL_MS);
  });

  it('answers at once when something is due', async () => {
    const { worker, due } = make();
    due.push('a', 'b', 'c');
    expect((await worker.fetch(owner, 2, HOUR_MS, never)).map(({ messageKey }) => messageKey)).toEqual(['a', 'b']);
  });

  it('hands out what becomes due while a producer waits', async () => {
    const { worker, due } = make({ pollMs: 5 });
    worker.start();
    const waiting = worker.fetch(owner, 10, HOUR_MS, never);
    due.push('late');
    expect((await waiting).map(({ messageKey }) => messageKey)).toEqual(['late']);
    await worker.stop();
  });

  it('looks when the next message is due, not only at the next interval', async () => {
    const { worker, due, next, store } = make();
    next.inMs = 5;
    worker.start();
    const waiting = worker.fetch(owner, 10, HOUR_MS, never);
    await vi.waitFor(() => expect(store.nextUncertainInMs).toHaveBeenCalled());
    due.push('timely');
    expect(await waiting).toHaveLength(1);
    await worker.stop();
  });

  it('asks no two waiting instances for the same message, and looks once for all of them', async () => {
    const { worker, due, store } = make();
    const waiting = [1, 2, 3].map(() => worker.fetch(owner, 1, HOUR_MS, never));
    await vi.waitFor(() => expect(store.claimUncertain).toHaveBeenCalledTimes(3));
    expect(await worker.runOnce()).toEqual({ claimed: 0, more: false });
    expect(store.nextUncertainInMs).toHaveBeenCalledTimes(1);
    due.push('a', 'b', 'c');
    expect(await worker.runOnce()).toEqual({ claimed: 3, more: false });
    expect((await Promise.all(waiting)).flat().map(({ messageKey }) => messageKey)).toEqual(['a', 'b', 'c']);
  });

  it('looks for one owner when its producer comes, not for all that wait', async () => {
    const { worker, store } = make();
    worker.start();
    const ownersLookedAt = () => store.nextUncertainInMs.mock.calls.map(([{ storeId }]) => storeId);
    const owners = Array.from({ length: 20 }, (_, n) => ({ ...owner, storeId: `s${n}` }));
    for (const [n, each] of owners.entries()) {
      void worker.fetch(each, 1, HOUR_MS, never);
      await vi.waitFor(() => expect(ownersLookedAt()).toHaveLength(n + 1));
    }
    expect(ownersLookedAt()).toEqual(owners.map(({ storeId }) => storeId));
    await worker.stop();
  });

  it('does not look for owners of whom nobody waits', async () => {
    const { worker, store } = make();
    await worker.runOnce();
    expect(store.nextUncertainInMs).not.toHaveBeenCalled();
  });

  it('answers with nothing when the wait runs out, the caller goes or the worker stops, and asks for nothing then', async () => {
    const { worker, due, store } = make();
    const leaving = new AbortController();
    const gone = worker.fetch(owner, 1, HOUR_MS, leaving.signal);
    const stopped = worker.fetch({ ...owner, storeId: 'other' }, 1, HOUR_MS, never);
    await vi.waitFor(() => expect(store.claimUncertain).toHaveBeenCalledTimes(2));
    leaving.abort();
    expect(await gone).toEqual([]);
    await worker.stop();
    expect(await stopped).toEqual([]);
    expect(await worker.fetch(owner, 1, 1, never)).toEqual([]);
    due.push('a');
    expect(await worker.runOnce()).toEqual({ claimed: 0, more: false });
  });

  describe('as a duty', () => {
    it('starts and stops a hundred times, also twice at once', async () => {
      const { worker } = makeIdle();
      for (let round = 0; round < 100; round++) {
        worker.start();
        worker.start();
        await Promise.all([worker.stop(), worker.stop()]);
      }
    });

    it('stops at once while idle', async () => {
      const { worker, passes } = makeIdle();
      worker.start();
      await vi.waitFor(() => expect(passes()).toBeGreaterThan(0));
      await worker.stop();
    });

    it('does nothing in a pass when nothing is due', async () => {
      const { worker, emptyCounts } = makeIdle();
      expect(await worker.runOnce()).toEqual(emptyCounts);
    });
  });
});
