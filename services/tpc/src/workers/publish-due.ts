import type { Log } from '@tpc/platform';
import type { Publishing } from '../flows/publishing.ts';
import type { Store } from '../store/store.ts';
import { createInFlightQuota } from './in-flight-quota.ts';
import { createWorker, type PassCounts, type Worker } from './worker.ts';

/**
 * Publishes what is due: messages whose confirm could not publish them (the broker was away, the replica died before or while it published, an operator
 * or a registration made them due). A claim takes turns over the producer groups, so that one group's backlog never stands in front of the others'.
 *
 * While the broker is away it claims nothing, so that waits do not grow for what is no fault of a message; it is woken at the broker's return.
 */
export type PublishDueCounts = PassCounts & { claimed: number };

export type PublishDueOptions = {
  store: Pick<Store, 'claimDueToPublish'>;
  publishing: Pick<Publishing, 'newClaim' | 'publish' | 'connected'>;
  log: Log;
  config: {
    /** Pause when nothing was due, milliseconds. */
    pollMs: number;
    /** Most messages of one claim. */
    claimCount: number;
  };
};

/** Claims of due work that may wait for the broker at once, in claims. */
export const MAX_CLAIMS_UNDERWAY = 8;

/** @throws RangeError when a setting is not positive */
export function createPublishDueWorker({ store, publishing, log, config }: PublishDueOptions): Worker<PublishDueCounts> {
  if (!(config.claimCount > 0)) throw new RangeError(`publish due: claimCount must be above 0, is ${config.claimCount}`);
  const share = createInFlightQuota(publishing, config.claimCount * MAX_CLAIMS_UNDERWAY);
  const pass = async (): Promise<PublishDueCounts> => {
    if (!share.hasRoom()) return { claimed: 0, more: false };
    const claim = publishing.newClaim();
    const items = await store.claimDueToPublish(config.claimCount, claim);
    share.publish(claim, items);
    if (items.length > 0) log.info({ num_messages: items.length }, 'publishing due messages');
    // A claim may end before its count, at its bytes.
    return { claimed: items.length, more: items.length > 0 };
  };
  return createWorker({ name: 'publish due', pollMs: config.pollMs, pass, log });
}
