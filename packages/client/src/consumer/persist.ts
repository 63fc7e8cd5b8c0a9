import { setTimeout as sleep } from 'node:timers/promises';
import { classifySqlError, isTransient } from '@tpc/core';

const FIRST_WAIT_MS = 20;
const MAX_WAIT_MS = 2_000;

/**
 * Runs a piece of database work again until it succeeds, as long as its failures may pass (a deadlock, a lock, a lost connection). The work
 * must be right when it is repeated after a commit whose answer was lost.
 * @param goOn asked before each repeat; false: the last error is thrown
 * @throws the work's error when it is not of that kind
 */
export async function persist<T>(work: () => Promise<T>, goOn: () => boolean): Promise<T> {
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(MAX_WAIT_MS, waitMs * 2)) {
    try {
      return await work();
    } catch (error) {
      if (!isTransient(classifySqlError(error)) || !goOn()) throw error;
      await sleep(waitMs * (0.5 + Math.random()));
    }
  }
}
