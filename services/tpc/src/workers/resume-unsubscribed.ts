import type { Log } from '@tpc/platform';
import type { Store } from '../store/store.ts';
import { createWorker, type PassCounts, type Worker } from './worker.ts';

/**
 * Makes messages SENDING again that were DEAD for want of a subscriber, once a group has registered for their topic and tag. Paced by its claim, so
 * that a long-dead backlog does not push the live messages aside; woken by a registration that subscribes something new.
 */
export type ResumeCounts = PassCounts & { resumed: number };

export type ResumeOptions = {
  store: Pick<Store, 'resumeUnsubscribed'>;
  /** Called when something was resumed, so that it is published at once. */
  onResumed: () => void;
  log: Log;
  config: {
    /** Pause when nothing was found, milliseconds. */
    pollMs: number;
    /** Most messages of one pass. */
    claimCount: number;
  };
};

/** @throws RangeError when a setting is not positive */
export function createResumeWorker({ store, onResumed, log, config }: ResumeOptions): Worker<ResumeCounts> {
  if (!(config.claimCount > 0)) throw new RangeError(`resume: claimCount must be above 0, is ${config.claimCount}`);
  const pass = async (): Promise<ResumeCounts> => {
    const resumed = await store.resumeUnsubscribed(config.claimCount);
    if (resumed > 0) {
      log.info({ num_messages: resumed }, 'resumed messages that found a subscriber');
      onResumed();
    }
    return { resumed, more: resumed >= config.claimCount };
  };
  return createWorker({ name: 'resume unsubscribed', pollMs: config.pollMs, pass, log });
}
