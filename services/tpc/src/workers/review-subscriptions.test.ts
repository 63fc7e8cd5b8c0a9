import { describe, expect, it, vi } from 'vitest';
import { exerciseWorker, NEVER_POLLS_MS, silentLog } from '../../test/worker-suite.ts';
import type { SubscriptionReview } from '../store/consumer-groups/subscription-faults.ts';
import { createReviewWorker } from './review-subscriptions.ts';

function make(pollMs = NEVER_POLLS_MS, answers: SubscriptionReview[][] = []) {
  const reviewSubscriptions = vi.fn(async () => answers.shift() ?? []);
  const said: string[] = [];
  const onDue = vi.fn();
  const note = (fields: object, text: string) => void said.push(`${text} ${JSON.stringify(fields)}`);
  const log = { ...silentLog, warn: note, info: note } as typeof silentLog;
  const worker = createReviewWorker({ store: { reviewSubscriptions }, onDue, log, config: { pollMs } });
  return { worker, passes: () => reviewSubscriptions.mock.calls.length, emptyCounts: { changed: 0, more: false }, said, onDue };
}

describe('review of subscriptions', () => {
  exerciseWorker({ make, makeBroken: () => make(-1) });

  it('names the group and what is wrong once, says when it has ended, and wakes what publishes again', async () => {
    const group = { consumerGroup: 'CID_OPC' };
    const { worker, said, onDue } = make(undefined, [
      [{ ...group, differing: ['T:B'], untaken: [], due: 0 }],
      [],
      [{ ...group, differing: [], untaken: [], due: 7 }],
    ]);
    expect(await worker.runOnce()).toEqual({ changed: 1, more: false });
    expect(said).toEqual([expect.stringMatching(/different tags.*"CID_OPC","differing":\["T:B"\]/)]);
    expect(onDue).not.toHaveBeenCalled();
    await worker.runOnce();
    expect(said).toHaveLength(1);
    await worker.runOnce();
    expect(said.slice(1)).toEqual([expect.stringContaining('take the same tags'), expect.stringMatching(/due now.*"num_messages":7/)]);
    expect(onDue).toHaveBeenCalledOnce();
  });
});
