import { describe, expect, it, vi } from 'vitest';
import { bareConfig, exerciseWorker, fakePublishing, NEVER_POLLS_MS, publishItem, silentLog } from '../../test/worker-suite.ts';
import { DEFAULT_REDELIVER_POLL_MS } from '../config.ts';
import { createRedeliverWorker, MAX_REDELIVERY_CLAIMS_UNDERWAY } from './redeliver.ts';

function make(
  config = { pollMs: NEVER_POLLS_MS, claimCount: 2 },
  publishing = fakePublishing(),
  answers: { ids: number[]; examined: number }[] = [],
) {
  const claimDueRedeliveries = vi.fn(async () => {
    const { ids, examined } = answers.shift() ?? { ids: [], examined: 0 };
    return { items: ids.map((id) => ({ ...publishItem(id), consumerGroup: 'CID_OPC' })), examined };
  });
  const worker = createRedeliverWorker({ store: { claimDueRedeliveries }, publishing, log: silentLog, config });
  return { worker, passes: () => claimDueRedeliveries.mock.calls.length, emptyCounts: { examined: 0, redelivered: 0, more: false }, publishing };
}

describe('redeliver worker', () => {
  exerciseWorker({ make, makeBroken: () => make({ pollMs: 1, claimCount: -1 }) });

  it('looks as often as its default says', () => {
    expect(bareConfig.TPC_REDELIVER_POLL_MS).toBe(DEFAULT_REDELIVER_POLL_MS);
  });

  it('publishes again what could help, and looks again as long as it finds due copies', async () => {
    const { worker, publishing } = make(undefined, fakePublishing(), [
      { ids: [1], examined: 5 },
      { ids: [], examined: 2 },
    ]);
    expect(await worker.runOnce()).toEqual({ examined: 5, redelivered: 1, more: true });
    expect(await worker.runOnce()).toEqual({ examined: 2, redelivered: 0, more: true });
    expect(await worker.runOnce()).toEqual({ examined: 0, redelivered: 0, more: false });
    expect(publishing.handedOver()).toEqual([1]);
  });

  it('claims nothing while the broker is away', async () => {
    const { worker, passes } = make(undefined, fakePublishing({ connected: false }), [{ ids: [1], examined: 1 }]);
    await worker.runOnce();
    expect(passes()).toBe(0);
  });

  it('claims nothing while enough of what it claimed waits for the broker', async () => {
    const answers = Array.from({ length: MAX_REDELIVERY_CLAIMS_UNDERWAY + 3 }, (_, place) => ({ ids: [2 * place, 2 * place + 1], examined: 2 }));
    const { worker, passes } = make({ pollMs: NEVER_POLLS_MS, claimCount: 2 }, fakePublishing({ stuck: true }), answers);
    for (let pass = 0; pass < MAX_REDELIVERY_CLAIMS_UNDERWAY + 3; pass++) await worker.runOnce();
    expect(passes()).toBe(MAX_REDELIVERY_CLAIMS_UNDERWAY);
  });
});
