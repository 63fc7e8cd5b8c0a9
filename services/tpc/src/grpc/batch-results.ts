import { status } from '@grpc/grpc-js';
import { classifySqlError } from '@tpc/core';
import type { Status } from '@tpc/gen/google/rpc/status';
import { type Log, OK_STATUS, toAppError, toRpcStatus } from '@tpc/platform';
import { toCallError } from './errors.ts';
import { DOMAIN } from './handlers.ts';

/**
 * Answers a batch per item: all items go on at once, and so into the same flushes as the single calls; a bad one fails alone, with the status that the
 * single call would have been answered with. Keeps the order.
 * @throws the error of the database when it is away, so that no item could be looked at
 * @param onRefused the result of an item that was not taken, without its status
 */
export async function answerItems<I, R extends object>(
  items: readonly I[],
  log: Log,
  one: (item: I, index: number) => Promise<R>,
  onRefused: R,
): Promise<(R & { status: Status })[]> {
  const settled = await Promise.allSettled(items.map(async (item, index) => one(item, index)));
  // Then it is TPC that is away and not an item that is bad, which callers tell apart by the status of the call.
  const [first] = settled;
  if (first?.status === 'rejected' && settled.every((result) => result.status === 'rejected' && isDatabaseAway(result.reason))) throw first.reason;
  return settled.map((result) => {
    if (result.status === 'fulfilled') return { ...result.value, status: OK_STATUS };
    const error = toAppError(toCallError(result.reason));
    if (error.status === status.INTERNAL) log.error({ err: error.cause ?? error }, 'item of a batch failed');
    return { ...onRefused, status: toRpcStatus(error, DOMAIN) };
  });
}

function isDatabaseAway(error: unknown): boolean {
  const kind = classifySqlError(error);
  return kind === 'connection' || kind === 'read_only';
}
