import { withDeadline } from '@tpc/core';

/**
 * Waits for work, at most so long. The work itself is not ended.
 * @throws Error naming `what` when the time is over, otherwise what the work throws
 */
export async function withTimeLimit<T>(what: string, ms: number, work: Promise<T> | T): Promise<T> {
  return withDeadline(Promise.resolve(work), ms, () => {
    throw new Error(`${what} did not end within ${ms} ms`);
  });
}
