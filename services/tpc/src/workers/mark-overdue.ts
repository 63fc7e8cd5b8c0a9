import type { Log } from '@tpc/platform';
import type { Store } from '../store/store.ts';
import { createWorker, type PassCounts, type Worker } from './worker.ts';

/** Notes what consumer groups have not received for long, so that people learn of it. Nothing is ever DEAD by that alone. */
export type OverdueCounts = PassCounts & {
  /** Messages that were looked at. */
  examined: number;
  /** Copies that are overdue now. */
  overdue: number;
};

export type OverdueOptions = {
  store: Pick<Store, 'markOverdue'>;
  log: Log;
  config: {
    /** Pause when no more was found, milliseconds. */
    pollMs: number;
    /** Most messages of one pass. */
    claimCount: number;
  };
};

/** @throws RangeError when a setting is not positive */
export function createOverdueWorker({ store, log, config }: OverdueOptions): Worker<OverdueCounts> {
  if (!(config.claimCount > 0)) throw new RangeError(`overdue: claimCount must be above 0, is ${config.claimCount}`);
  const pass = async (): Promise<OverdueCounts> => {
    const { examined, overdue } = await store.markOverdue(config.claimCount);
    if (overdue > 0) log.warn({ num_copies: overdue }, 'messages are overdue: their consumer groups have not received them');
    return { examined, overdue, more: examined >= config.claimCount };
  };
  return createWorker({ name: 'overdue', pollMs: config.pollMs, pass, log });
}
