import { inPacketTransaction, placeholders, run, type Tx } from '@tpc/core';
import type { StoreContext } from '../base/context.ts';

/** Copies that one transaction makes due. */
const AT_ONCE = 500;

type Row = { message_id: number; due_at: number };

/**
 * Makes the open copies of a group due now, so that each is looked at once more; those that are being published again are left. From the latest due time
 * down to now: a copy that has been looked at meanwhile and has got a later time again is not met twice.
 * Index: confirm_group_due. Locks: confirm rows alone, skipping what others hold.
 * @returns how many
 */
export async function bringForward(ctx: StoreContext, groupId: number): Promise<number> {
  let total = 0;
  let latest = Number.MAX_SAFE_INTEGER;
  for (;;) {
    const rows = await ctx.retry(() => inPacketTransaction(ctx.knex, (tx) => bringSome(tx, ctx, groupId, latest)));
    total += rows.length;
    if (rows.length < AT_ONCE) return total;
    latest = rows.at(-1)?.due_at ?? 0;
  }
}

async function bringSome(tx: Tx, { sql }: StoreContext, groupId: number, latest: number): Promise<Row[]> {
  const { rows } = await run<Row>(
    tx,
    `SELECT message_id, due_at FROM confirm WHERE group_id = ? AND urgent = 0 AND due_at > ${sql.now} AND due_at <= ? AND claim IS NULL
     ORDER BY due_at DESC LIMIT ${AT_ONCE}${sql.forUpdateSkipLocked}`,
    [groupId, latest],
  );
  if (rows.length === 0) return [];
  await run(tx, `UPDATE confirm SET due_at = ${sql.now} WHERE group_id = ? AND message_id IN (${placeholders(rows.length)})`, [
    groupId,
    ...rows.map((row) => row.message_id),
  ]);
  return rows;
}
