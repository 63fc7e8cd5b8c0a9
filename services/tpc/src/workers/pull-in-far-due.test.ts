import { describe, expect, it, vi } from 'vitest';
import { exerciseWorker, NEVER_POLLS_MS, silentLog } from '../../test/worker-suite.ts';
import { createFarDueWorker } from './pull-in-far-due.ts';

const LEASE_MS = 30_000;

function make(config = { pollMs: NEVER_POLLS_MS, leaseMs: LEASE_MS }, answers: { pulledIn: number; more: boolean }[] = []) {
  const pullInFarDue = vi.fn(async () => answers.shift() ?? { pulledIn: 0, more: false });
  const warn = vi.fn();
  const worker = createFarDueWorker({ store: { pullInFarDue }, log: Object.assign(Object.create(silentLog), { warn }), config });
  return { worker, pullInFarDue, warn, passes: () => pullInFarDue.mock.calls.length, emptyCounts: { pulledIn: 0, more: false } };
}

describe('far-due worker', () => {
  exerciseWorker({ make, makeBroken: () => make({ pollMs: 1, leaseMs: 0 }) });

  it('says so when it found something, goes on at once while there is more, and is silent while the clock is right', async () => {
    const { worker, pullInFarDue, warn } = make(undefined, [{ pulledIn: 500, more: true }]);
    expect(await worker.runOnce()).toEqual({ pulledIn: 500, more: true });
    expect(pullInFarDue).toHaveBeenCalledWith(500, LEASE_MS);
    expect(warn).toHaveBeenCalledExactlyOnceWith({ num_rows: 500 }, expect.stringContaining('clock set back'));
    expect(await worker.runOnce()).toEqual({ pulledIn: 0, more: false });
    expect(warn).toHaveBeenCalledOnce();
  });
});
