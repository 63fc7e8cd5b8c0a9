import type { BrokerPublisher } from '@tpc/broker';
import { describe, expect, it, vi } from 'vitest';
import { bareConfig, exerciseWorker, fakePublishing, NEVER_POLLS_MS, publishItem, silentLog } from '../../test/worker-suite.ts';
import { DEFAULT_CLAIM_COUNT, DEFAULT_PUBLISH_POLL_MS } from '../config.ts';
import { createPublishing } from '../flows/publishing.ts';
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

  it('claims nothing while enough of what it claimed waits for the broker', async () => {
    const ids = Array.from({ length: 2 * MAX_CLAIMS_UNDERWAY + 1 }, (_, id) => id);
    const { worker, passes, publishing } = make({ pollMs: NEVER_POLLS_MS, claimCount: 2 }, fakePublishing({ stuck: true }), [...ids]);
    for (let pass = 0; pass < MAX_CLAIMS_UNDERWAY + 3; pass++) await worker.runOnce();
    expect([passes(), publishing.handedOver()]).toEqual([MAX_CLAIMS_UNDERWAY, ids.slice(0, -1)]);
  });

  it('publishes due messages also while others keep the broker busy, and goes on when its own are done', async () => {
    const answered = Promise.withResolvers<void>();
    const ids: string[] = [];
    const publish: BrokerPublisher['publish'] = async (messages) => {
      ids.push(...messages.map(({ keys }) => keys[0] ?? ''));
      await answered.promise;
      return messages.map(() => ({ ok: true, brokerMessageId: '' }));
    };
    const broker = { publish, state: () => ({ connected: true, error: '', since: 0 }) };
    const store = { recordPublishResults: async () => 0, recordRedeliveryResults: async () => 0 };
    const publishing = createPublishing({ store, broker, log: silentLog, leaseMs: 3_600_000 });
    const live = Array.from({ length: 10 * MAX_CLAIMS_UNDERWAY }, (_, id) => publishItem(id));
    const livePublished = publishing.publish(publishing.newClaim(), live);
    const due = Array.from({ length: MAX_CLAIMS_UNDERWAY + 1 }, (_, place) => 1_000 + place);
    const claimDueToPublish = vi.fn(async (limit: number) => due.splice(0, limit).map(publishItem));
    const worker = createPublishDueWorker({ store: { claimDueToPublish }, publishing, log: silentLog, config: { pollMs: 5, claimCount: 1 } });
    worker.start();
    await vi.waitFor(() => expect(due).toHaveLength(1));
    answered.resolve();
    await livePublished;
    await vi.waitFor(() => expect(ids).toContain(`P:${1_000 + MAX_CLAIMS_UNDERWAY}`));
    await worker.stop();
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
