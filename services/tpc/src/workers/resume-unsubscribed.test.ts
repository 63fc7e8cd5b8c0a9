import { describe, expect, it, vi } from 'vitest';
import { bareConfig, exerciseWorker, NEVER_POLLS_MS, silentLog } from '../../test/worker-suite.ts';
import { DEFAULT_RESUME_POLL_MS } from '../config.ts';
import { createResumeWorker } from './resume-unsubscribed.ts';

function make(config = { pollMs: NEVER_POLLS_MS, claimCount: 2 }, resumed: number[] = []) {
  const resumeUnsubscribed = vi.fn(async () => resumed.shift() ?? 0);
  const onResumed = vi.fn();
  const worker = createResumeWorker({ store: { resumeUnsubscribed }, onResumed, log: silentLog, config });
  return { worker, passes: () => resumeUnsubscribed.mock.calls.length, emptyCounts: { resumed: 0, more: false }, onResumed };
}

describe('resume worker', () => {
  exerciseWorker({ make, makeBroken: () => make({ pollMs: 1, claimCount: 0 }) });

  it('looks as often as its default says', () => {
    expect(bareConfig.TPC_RESUME_POLL_MS).toBe(DEFAULT_RESUME_POLL_MS);
  });

  it('tells of what it resumed, and goes on at once after a full pass', async () => {
    const { worker, onResumed } = make(undefined, [2, 1]);
    expect(await worker.runOnce()).toEqual({ resumed: 2, more: true });
    expect(await worker.runOnce()).toEqual({ resumed: 1, more: false });
    expect(await worker.runOnce()).toEqual({ resumed: 0, more: false });
    expect(onResumed).toHaveBeenCalledTimes(2);
  });
});
