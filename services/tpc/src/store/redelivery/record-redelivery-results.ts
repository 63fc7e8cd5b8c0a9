import { inPacketTransaction, placeholders, run, type Tx, waitBeforeRetry } from '@tpc/core';
import { ConfirmStatus, MessageState } from '../../domain/states.ts';
import type { StoreContext } from '../base/context.ts';
import { lockMessages } from '../base/lock-messages.ts';
import { markRefused } from '../publishing/mark-refused.ts';
import type { RedeliveryResult } from '../store-types.ts';

type Result = RedeliveryResult & { groupId: number };

/**
 * Records what became of claimed redeliveries (Store.recordRedeliveryResults). They are rare, so all goes through the messages' locks.
 * Index: PRIMARY of both tables. Locks: message rows by id, then their confirm rows.
 */
export async function recordRedeliveryResults(ctx: StoreContext, token: number, results: readonly RedeliveryResult[]): Promise<number> {
  if (results.length === 0) return 0;
  const groups = await ctx.names.findConsumerGroups(results.map((result) => result.consumerGroup));
  const known = results.flatMap((result): Result[] => {
    const groupId = groups.get(result.consumerGroup);
    return groupId === undefined ? [] : [{ ...result, groupId }];
  });
  return ctx.retry(() => inPacketTransaction(ctx.knex, (tx) => recordOnce(tx, ctx, token, known)));
}

async function recordOnce(tx: Tx, ctx: StoreContext, token: number, results: readonly Result[]): Promise<number> {
  const ids = [...new Set(results.map((result) => result.messageId))];
  const locked = await lockMessages(tx, ctx, ids, 'wait');
  const sending = new Set(locked.filter((row) => row.state === MessageState.SENDING).map((row) => row.id));
  const open = results.filter((result) => sending.has(result.messageId));
  let accepted = 0;
  const published = open.filter((result) => result.outcome === 'published');
  for (const alike of alikeGroups(published)) accepted += await setPublished(tx, ctx, token, alike);
  for (const alike of alikeGroups(open.filter((result) => result.outcome === 'retry'))) accepted += await setRetry(tx, ctx, token, alike);
  const refused = open.filter((result) => result.outcome === 'refused');
  const ours = [];
  for (const result of refused) if ((await setRetry(tx, ctx, token, [result])) > 0) ours.push(result);
  await markRefused(tx, ctx, ours);
  return accepted + ours.length;
}

/** Results of one group with the same number of tries share one UPDATE. */
function alikeGroups(results: readonly Result[]): Result[][] {
  return [...Map.groupBy(results, (result) => `${result.groupId} ${result.attempts}`).values()];
}

const FENCE = `claim = ? AND status = ${ConfirmStatus.UNCONFIRMED} AND dead = 0`;

async function setPublished(tx: Tx, ctx: StoreContext, token: number, alike: readonly Result[]): Promise<number> {
  const first = alike[0] as Result;
  const ids = alike.map((result) => result.messageId);
  const wait = waitBeforeRetry(ctx.policies.redeliver, first.attempts + 1, ctx.random());
  const { affected } = await run(
    tx,
    `UPDATE confirm SET claim = NULL, urgent = 0, published_at = ${ctx.sql.now}, due_at = ${ctx.sql.now} + ?
     WHERE group_id = ? AND message_id IN (${placeholders(ids.length)}) AND ${FENCE}`,
    [wait, first.groupId, ...ids, token],
  );
  await run(
    tx,
    `UPDATE message SET publishes = publishes + 1, published_at = COALESCE(published_at, ${ctx.sql.now}) WHERE id IN (${placeholders(ids.length)})`,
    ids,
  );
  return affected;
}

async function setRetry(tx: Tx, ctx: StoreContext, token: number, alike: readonly Result[]): Promise<number> {
  const first = alike[0] as Result;
  const ids = alike.map((result) => result.messageId);
  const wait = waitBeforeRetry(ctx.policies.publish, first.attempts, ctx.random());
  const { affected } = await run(
    tx,
    `UPDATE confirm SET claim = NULL, due_at = ${ctx.sql.now} + ? WHERE group_id = ? AND message_id IN (${placeholders(ids.length)}) AND ${FENCE}`,
    [wait, first.groupId, ...ids, token],
  );
  return affected;
}
