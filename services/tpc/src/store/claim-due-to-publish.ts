import { inTransaction, placeholders, run } from '@tpc/core';
import type { Knex } from 'knex';
import type { StoreContext } from './context.ts';
import { fairShares } from './fair-shares.ts';
import { LaneKind, laneOf, laneSql } from './lanes.ts';
import { readPublishItems } from './publish-items.ts';
import { MAX_PUBLISH_BYTES } from './start-sending.ts';
import type { Claim, PublishItem } from './store-types.ts';

/**
 * Claims messages that are due to be published (Store.claimDueToPublish), a share of the limit for each owner that has some due.
 * Index: message_lane_due, one short look for each owner. Locks: message rows, skipping what others hold, so it never waits.
 */
export async function claimDueToPublish(ctx: StoreContext, limit: number, claim: Claim): Promise<PublishItem[]> {
  const owners = await ctx.retry(() => ownersWithDueWork(ctx));
  if (owners.length === 0) return [];
  const shares = fairShares(owners, limit, ctx.random());
  const ids = await ctx.retry(() => inTransaction(ctx.knex, (tx) => claimShares(tx, ctx, shares, claim)));
  const items = await ctx.retry(() => readPublishItems(ctx.knex, ids));
  return [...items.values()];
}

async function ownersWithDueWork(ctx: StoreContext): Promise<number[]> {
  const { rows } = await run<{ id: number; due_at: number | null }>(
    ctx.knex,
    `SELECT o.id, (SELECT m.due_at FROM message m WHERE m.lane = ${laneSql(LaneKind.PUBLISH, 'o.id')} AND m.due_at <= ${ctx.sql.now}
       ORDER BY m.due_at LIMIT 1) AS due_at
     FROM message_owner o`,
  );
  return rows.filter((row) => row.due_at !== null).map((row) => row.id);
}

async function claimShares(
  tx: Knex.Transaction,
  ctx: StoreContext,
  shares: readonly { owner: number; share: number }[],
  claim: Claim,
): Promise<number[]> {
  const ids: number[] = [];
  let bytes = 0;
  for (const { owner, share } of shares) {
    const { rows } = await run<{ id: number; body_size: number }>(
      tx,
      `SELECT id, body_size FROM message WHERE lane = ? AND due_at <= ${ctx.sql.now} ORDER BY due_at LIMIT ?${ctx.sql.forUpdateSkipLocked}`,
      [laneOf(LaneKind.PUBLISH, owner), share],
    );
    for (const row of rows) {
      bytes += row.body_size;
      if (ids.length === 0 || bytes <= MAX_PUBLISH_BYTES) ids.push(row.id);
    }
  }
  if (ids.length === 0) return [];
  await run(tx, `UPDATE message SET claim = ?, due_at = ${ctx.sql.now} + ? WHERE id IN (${placeholders(ids.length)})`, [
    claim.token,
    claim.leaseMs,
    ...ids,
  ]);
  return ids;
}
