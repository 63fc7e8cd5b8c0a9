import type { Log } from '@tpc/platform';
import type { Publishing } from '../flows/publishing.ts';
import type { Store } from '../store/store.ts';
import { createInFlightQuota } from './in-flight-quota.ts';
import { createWorker, type PassCounts, type Worker } from './worker.ts';

/**
 * Publishes messages again for consumer groups that have not reported them, each with only that group named. The store hands out only what it could
 * help: the group has since received something younger of the topic, or is idle with a healthy link; the rest is moved on. Also carries out the
 * operators' resends. While the broker is away it claims nothing.
 */
export type RedeliverCounts = PassCounts & {
  /** Due copies that were looked at. */
  examined: number;
  /** Those that are published again. */
  redelivered: number;
};

export type RedeliverOptions = {
  store: Pick<Store, 'claimDueRedeliveries'>;
  publishing: Pick<Publishing, 'newClaim' | 'publish' | 'connected'>;
  log: Log;
  config: {
    /** Pause when nothing was due, milliseconds. */
    pollMs: number;
    /** Most copies of one claim. */
    claimCount: number;
  };
};

/** Claims of redeliveries that may wait for the broker at once, in claims: few, since live messages go first. */
export const MAX_REDELIVERY_CLAIMS_UNDERWAY = 2;

/** @throws RangeError when a setting is not positive */
export function createRedeliverWorker({ store, publishing, log, config }: RedeliverOptions): Worker<RedeliverCounts> {
  if (!(config.claimCount > 0)) throw new RangeError(`redeliver: claimCount must be above 0, is ${config.claimCount}`);
  const share = createInFlightQuota(publishing, config.claimCount * MAX_REDELIVERY_CLAIMS_UNDERWAY);
  const pass = async (): Promise<RedeliverCounts> => {
    if (!share.hasRoom()) return { examined: 0, redelivered: 0, more: false };
    const claim = publishing.newClaim();
    const { items, examined } = await store.claimDueRedeliveries(config.claimCount, claim);
    share.publish(claim, items);
    if (items.length > 0) log.info({ num_messages: items.length }, 'publishing again for groups that have not received');
    return { examined, redelivered: items.length, more: examined > 0 };
  };
  return createWorker({ name: 'redeliver', pollMs: config.pollMs, pass, log });
}
