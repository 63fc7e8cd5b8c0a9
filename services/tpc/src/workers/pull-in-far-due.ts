import type { Log } from '@tpc/platform';
import type { Store } from '../store/store.ts';
import { createWorker, type PassCounts, type Worker } from './worker.ts';

/**
 * Looks for work that is due later than any wait could have made it, and makes it due. So after the database's clock was set back, nothing waits until that clock has
 * come again to where it was.
 */
export type FarDueCounts = PassCounts & {
  /** Rows whose due time was changed. */
  pulledIn: number;
};

export type FarDueOptions = {
  store: Pick<Store, 'pullInFarDue'>;
  log: Log;
  config: {
    /** Lease of a claim to publish, milliseconds: what is claimed keeps it. */
    leaseMs: number;
    /** Pause between two looks, milliseconds. Default: FAR_DUE_POLL_MS. */
    pollMs?: number;
  };
};

/** A clock is rarely set back, and a minute is short against the waits that it upsets. */
export const FAR_DUE_POLL_MS = 60_000;
/** Most rows of each kind and owner in one pass. */
const MAX_ROWS = 500;

/** @throws RangeError when a setting is not positive */
export function createFarDueWorker({ store, log, config }: FarDueOptions): Worker<FarDueCounts> {
  const { leaseMs, pollMs = FAR_DUE_POLL_MS } = config;
  if (!(leaseMs > 0)) throw new RangeError(`far due: leaseMs must be above 0, is ${leaseMs}`);
  const pass = async (): Promise<FarDueCounts> => {
    const counts = await store.pullInFarDue(MAX_ROWS, leaseMs);
    if (counts.pulledIn > 0)
      log.warn(
        { num_rows: counts.pulledIn },
        "work was due later than any wait allows, and is due soon now; was the database's clock set back, or a wait made shorter?",
      );
    return counts;
  };
  return createWorker({ name: 'far due', pollMs, pass, log });
}
