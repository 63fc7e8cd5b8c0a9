import { inPacketTransaction, placeholders, run, type Tx } from '@tpc/core';
import { ConfirmStatus } from '../../domain/states.ts';
import type { StoreContext } from '../base/context.ts';
import { fairShares } from '../base/fair-shares.ts';
import { LaneKind, laneOf } from '../base/lanes.ts';
import { ACTOR_TPC, addEvents, type NewEvent } from '../base/message-events.ts';
import { ownersWithDueWork } from '../publishing/claim-due-to-publish.ts';
import { Attention } from './attention.ts';

type Followed = { id: number; published_at: number | null };

/**
 * Notes the copies that their groups have not reported though they were published long ago (Store.markOverdue). Each published message is looked at once, when its
 * time comes: after that it has no due time, so nothing is noted twice, however long its group stays away.
 * Index: message_lane_due, then PRIMARY of confirm. Locks: message rows, skipping what others hold, then their confirm rows.
 */
export async function markOverdue(ctx: StoreContext, limit: number): Promise<{ examined: number; overdue: number }> {
  const owners = await ctx.retry(() => ownersWithDueWork(ctx, LaneKind.FOLLOW));
  if (owners.length === 0) return { examined: 0, overdue: 0 };
  const shares = fairShares(owners, limit, ctx.random());
  return ctx.retry(() =>
    inPacketTransaction(ctx.knex, async (tx) => {
      const messages: Followed[] = [];
      for (const { owner, share } of shares) {
        const { rows } = await run<Followed>(
          tx,
          `SELECT id, published_at FROM message WHERE lane = ? AND due_at <= ${ctx.sql.now} ORDER BY due_at LIMIT ?${ctx.sql.forUpdateSkipLocked}`,
          [laneOf(LaneKind.FOLLOW, owner), share],
        );
        messages.push(...rows);
      }
      return { examined: messages.length, overdue: await markThese(tx, ctx, messages) };
    }),
  );
}

/** A copy that the group has not reported, and was not noted before (a resend lets the message be looked at again). */
const OVERDUE = `status = ${ConfirmStatus.UNCONFIRMED} AND dead = 0 AND overdue = 0`;

/** Lock: the message rows are held, so the copies do not change their state. @returns how many copies are noted */
async function markThese(tx: Tx, ctx: StoreContext, messages: readonly Followed[]): Promise<number> {
  if (messages.length === 0) return 0;
  const ids = messages.map(({ id }) => id);
  const of = `message_id IN (${placeholders(ids.length)})`;
  const { rows } = await run<{ message_id: number; group_id: number }>(
    tx,
    `SELECT message_id, group_id FROM confirm WHERE ${of} AND ${OVERDUE}`,
    ids,
  );
  await run(tx, `UPDATE message SET due_at = NULL WHERE id IN (${placeholders(ids.length)})`, ids);
  if (rows.length === 0) return 0;
  await run(tx, `UPDATE confirm SET overdue = 1 WHERE ${of} AND ${OVERDUE}`, ids);
  const marked = [...new Set(rows.map((row) => row.message_id))];
  await run(tx, `UPDATE message SET attention = COALESCE(attention, ${Attention.OVERDUE}) WHERE id IN (${placeholders(marked.length)})`, marked);
  const since = new Map(messages.map(({ id, published_at }) => [id, published_at]));
  const events = rows.map(
    ({ message_id, group_id }): NewEvent => ({
      messageId: message_id,
      kind: 'OVERDUE',
      groupId: group_id,
      actor: ACTOR_TPC,
      detail: `not received since ${new Date(since.get(message_id) ?? 0).toISOString()}`,
    }),
  );
  await addEvents(tx, ctx, events);
  return rows.length;
}
