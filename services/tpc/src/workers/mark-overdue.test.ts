import { describe, expect, it, vi } from 'vitest';
import { bareConfig, exerciseWorker, NEVER_POLLS_MS, silentLog } from '../../test/worker-suite.ts';
import { DEFAULT_OVERDUE_POLL_MS } from '../config.ts';
import { createOverdueWorker } from './mark-overdue.ts';

function make(config = { pollMs: NEVER_POLLS_MS, claimCount: 2 }, answers: { examined: number; overdue: number }[] = []) {
  const markOverdue = vi.fn(async () => answers.shift() ?? { examined: 0, overdue: 0 });
  const worker = createOverdueWorker({ store: { markOverdue }, log: silentLog, config });
  return { worker, passes: () => markOverdue.mock.calls.length, emptyCounts: { examined: 0, overdue: 0, more: false } };
}

describe('overdue worker', () => {
  exerciseWorker({ make, makeBroken: () => make({ pollMs: 1, claimCount: 0 }) });

  it('looks as often as its default says', () => {
    expect(bareConfig.TPC_OVERDUE_POLL_MS).toBe(DEFAULT_OVERDUE_POLL_MS);
  });

  it('goes on at once only after a full pass', async () => {
    const { worker } = make(undefined, [
      { examined: 2, overdue: 0 },
      { examined: 1, overdue: 1 },
    ]);
    expect(await worker.runOnce()).toMatchObject({ more: true });
    expect(await worker.runOnce()).toEqual({ examined: 1, overdue: 1, more: false });
  });
});
