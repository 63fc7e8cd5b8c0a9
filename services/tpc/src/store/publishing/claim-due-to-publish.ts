import { deferWrite, inPacketTransaction, placeholders, run, runOnPrimary, type Tx } from '@tpc/core';
import type { StoreContext } from '../base/context.ts';
import { fairShares } from '../base/fair-shares.ts';
import { LaneKind, laneOf, laneSql } from '../base/lanes.ts';
import type { Claim, PublishItem } from '../store-types.ts';
import { readPublishItems, withinBytes } from './publish-items.ts';

/**
 * Claims messages that are due to be published (Store.claimDueToPublish), a share of the limit for each owner that has some due.
 * Index: message_lane_due, one short look for each owner. Locks: message rows, skipping what others hold, so it never waits.
 */
export async function claimDueToPublish(ctx: StoreContext, limit: number, claim: Claim): Promise<PublishItem[]> {
  const owners = await ctx.retry(() => ownersWithDueWork(ctx, LaneKind.PUBLISH));
  if (owners.length === 0) return [];
  const shares = fairShares(owners, limit, ctx.random());
  return ctx.retry(() =>
    inPacketTransaction(ctx.knex, async (tx) => {
      const claimed = await claimShares(tx, ctx, shares, claim);
      // Within the claim's transaction: outside of it a replica might answer that does not know the messages yet.
      return [...(await readPublishItems(tx, claimed)).values()];
    }),
  );
}

/** Owners of messages with work of a kind that is due. Index: message_lane_due, one short look for each owner. */
export async function ownersWithDueWork(ctx: StoreContext, kind: LaneKind): Promise<number[]> {
  const { rows } = await runOnPrimary<{ id: number; due_at: number | null }>(
    ctx.knex,
    `SELECT o.id, (SELECT m.due_at FROM message m WHERE m.lane = ${laneSql(kind, 'o.id')} AND m.due_at <= ${ctx.sql.now}
       ORDER BY m.due_at LIMIT 1) AS due_at
     FROM message_owner o`,
  );
  return rows.filter((row) => row.due_at !== null).map((row) => row.id);
}

type Candidate = { id: number; body_size: number };

/** @returns ids of what is claimed */
async function claimShares(tx: Tx, ctx: StoreContext, shares: readonly { owner: number; share: number }[], claim: Claim): Promise<number[]> {
  const limit = shares.reduce((sum, { share }) => sum + share, 0);
  const candidates = new Map<number, Candidate>();
  const full: { owner: number; share: number }[] = [];
  for (const { owner, share } of shares) {
    const rows = await lockDue(tx, ctx, owner, share);
    for (const row of rows) candidates.set(row.id, row);
    if (rows.length === share) full.push({ owner, share });
  }
  // What some did not need goes to those with more; what is locked already is read once more.
  for (const { owner, share } of full) {
    const left = limit - candidates.size;
    if (left === 0) break;
    for (const row of await lockDue(tx, ctx, owner, share + left)) candidates.set(row.id, row);
  }
  const ids = withinBytes([...candidates.values()]);
  await setClaim(tx, ctx, ids, claim);
  return ids;
}

async function lockDue(tx: Tx, ctx: StoreContext, owner: number, count: number): Promise<Candidate[]> {
  const { rows } = await run<Candidate>(
    tx,
    `SELECT id, body_size FROM message WHERE lane = ? AND due_at <= ${ctx.sql.now} ORDER BY due_at LIMIT ?${ctx.sql.forUpdateSkipLocked}`,
    [laneOf(LaneKind.PUBLISH, owner), count],
  );
  return rows;
}

async function setClaim(tx: Tx, ctx: StoreContext, ids: readonly number[], claim: Claim): Promise<void> {
  if (ids.length === 0) return;
  await deferWrite(tx, `UPDATE message SET claim = ?, due_at = ${ctx.sql.now} + ? WHERE id IN (${placeholders(ids.length)})`, [
    claim.token,
    claim.leaseMs,
    ...ids,
  ]);
}
