import { describe, expect, it, vi } from 'vitest';
import { bareConfig, exerciseWorker, fakePublishing, NEVER_POLLS_MS, publishItem, silentLog } from '../../test/worker-suite.ts';
import { DEFAULT_CLAIM_COUNT, DEFAULT_PUBLISH_POLL_MS } from '../config.ts';
import { createPublishDueWorker, MAX_CLAIMS_UNDERWAY } from './publish-due.ts';

function make(config = { pollMs: NEVER_POLLS_MS, claimCount: 2 }, publishing = fakePublishing(), due: number[] = []) {
  const claimDueToPublish = vi.fn(async (limit: number) => due.splice(0, limit).map(publishItem));
  const worker = createPublishDueWorker({ store: { claimDueToPublish }, publishing, log: silentLog, config });
  return { worker, passes: () => claimDueToPublish.mock.calls.length, emptyCounts: { claimed: 0, more: false }, publishing };
}

describe('publish-due worker', () => {
  exerciseWorker({ make, makeBroken: () => make({ pollMs: 1, claimCount: 0 }) });

  it('looks as often and takes as much as its defaults say', () => {
    expect(bareConfig).toMatchObject({ TPC_PUBLISH_POLL_MS: DEFAULT_PUBLISH_POLL_MS, TPC_CLAIM_COUNT: DEFAULT_CLAIM_COUNT });
  });

  it('publishes what is due, and looks again at once until a claim finds nothing', async () => {
    const { worker, publishing } = make({ pollMs: NEVER_POLLS_MS, claimCount: 2 }, fakePublishing(), [1, 2, 3]);
    expect(await worker.runOnce()).toEqual({ claimed: 2, more: true });
    expect(await worker.runOnce()).toEqual({ claimed: 1, more: true });
    expect(await worker.runOnce()).toEqual({ claimed: 0, more: false });
    expect(publishing.handedOver()).toEqual([1, 2, 3]);
  });

  it('claims nothing while the broker is away, so that waits do not grow for that', async () => {
    const { worker, passes } = make(undefined, fakePublishing({ connected: false }), [1]);
    expect(await worker.runOnce()).toEqual({ claimed: 0, more: false });
    expect(passes()).toBe(0);
  });

  it('claims nothing while enough waits for the broker', async () => {
    const { worker, passes } = make({ pollMs: NEVER_POLLS_MS, claimCount: 2 }, fakePublishing({ underway: 2 * MAX_CLAIMS_UNDERWAY }), [1]);
    await worker.runOnce();
    expect(passes()).toBe(0);
  });

  it('goes on after a pass that failed', async () => {
    const claimDueToPublish = vi.fn(async () => [publishItem(1)]).mockRejectedValueOnce(new Error('database away'));
    const publishing = fakePublishing();
    const worker = createPublishDueWorker({ store: { claimDueToPublish }, publishing, log: silentLog, config: { pollMs: 5, claimCount: 2 } });
    worker.start();
    await vi.waitFor(() => expect(publishing.handedOver()).toContain(1));
    await worker.stop();
  });
});
