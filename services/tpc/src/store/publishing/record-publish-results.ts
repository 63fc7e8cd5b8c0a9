import { inPacketTransaction, placeholders, run, waitBeforeRetry } from '@tpc/core';
import { MessageState } from '../../domain/states.ts';
import type { StoreContext } from '../base/context.ts';
import { LaneKind, laneSql } from '../base/lanes.ts';
import { lockMessages } from '../base/lock-messages.ts';
import type { PublishResult } from '../store-types.ts';
import { markRefused } from './mark-refused.ts';

/** Only the holder of the claim, and only while the message is being sent: a late result of a lost claim changes nothing. */
const FENCE = `claim = ? AND state = ${MessageState.SENDING}`;

/**
 * Records what became of claimed publishes (Store.recordPublishResults): one UPDATE by primary key for the successes, one for each wait of the
 * failures. Index: PRIMARY.
 */
export async function recordPublishResults(ctx: StoreContext, token: number, results: readonly PublishResult[]): Promise<number> {
  const of = (outcome: PublishResult['outcome']) => results.filter((result) => result.outcome === outcome);
  let accepted = await recordPublished(ctx, token, of('published'));
  for (const group of Map.groupBy(of('retry'), (result) => result.attempts).values()) accepted += await recordRetry(ctx, token, group);
  return accepted + (await recordRefused(ctx, token, of('refused')));
}

async function recordPublished(ctx: StoreContext, token: number, results: readonly PublishResult[]): Promise<number> {
  if (results.length === 0) return 0;
  const { affected } = await ctx.retry(() =>
    run(
      ctx.knex,
      `UPDATE message SET lane = ${laneSql(LaneKind.FOLLOW)}, due_at = ${ctx.sql.now} + ?, claim = NULL, attempts = 0, publishes = publishes + 1,
         published_at = COALESCE(published_at, ${ctx.sql.now})
       WHERE id IN (${placeholders(results.length)}) AND ${FENCE}`,
      [ctx.policies.overdueAfterMs, ...idsOf(results), token],
    ),
  );
  return affected;
}

/** @param results all with the same number of attempts */
async function recordRetry(ctx: StoreContext, token: number, results: readonly PublishResult[]): Promise<number> {
  const wait = waitBeforeRetry(ctx.policies.publish, (results[0] as PublishResult).attempts + 1, ctx.random());
  const { affected } = await ctx.retry(() =>
    run(
      ctx.knex,
      `UPDATE message SET claim = NULL, attempts = attempts + 1, due_at = ${ctx.sql.now} + ?
       WHERE id IN (${placeholders(results.length)}) AND ${FENCE}`,
      [wait, ...idsOf(results), token],
    ),
  );
  return affected;
}

async function recordRefused(ctx: StoreContext, token: number, results: readonly PublishResult[]): Promise<number> {
  if (results.length === 0) return 0;
  return ctx.retry(() =>
    inPacketTransaction(ctx.knex, async (tx) => {
      const locked = await lockMessages(tx, ctx, idsOf(results), 'wait');
      const ours = new Set(locked.filter((row) => row.state === MessageState.SENDING && row.claim === token).map((row) => row.id));
      const refused = results.filter((result) => ours.has(result.messageId));
      await markRefused(tx, ctx, refused);
      return refused.length;
    }),
  );
}

function idsOf(results: readonly PublishResult[]): number[] {
  return results.map((result) => result.messageId).sort((a, b) => a - b);
}
