import { inPacketTransaction, run, runOnPrimary, type Tx } from '@tpc/core';
import type { StoreContext } from '../base/context.ts';
import { fairShares } from '../base/fair-shares.ts';
import { LaneKind, laneOf, laneSql } from '../base/lanes.ts';
import { lockMessages } from '../base/lock-messages.ts';
import { ACTOR_TPC, addEvents } from '../base/message-events.ts';
import { ALL_TAGS } from '../registration/subscription-view.ts';
import { settingStraysAside } from '../repair/stray-copies.ts';
import { readFanout, startSending } from './start-sending.ts';

/**
 * Makes messages SENDING that were parked for want of a subscriber (Store.resumeUnsubscribed), a share of the limit for each tag that has some and is
 * subscribed now. Asking again and again also finds a message that was parked in the very moment in which its group registered.
 * Index: message_lane_due. Locks: message rows, skipping what others hold.
 */
export async function resumeUnsubscribed(ctx: StoreContext, limit: number): Promise<number> {
  const tags = await ctx.retry(() => tagsWithParked(ctx));
  if (tags.length === 0) return 0;
  const shares = fairShares(tags, limit, ctx.random());
  return ctx.retry(() => settingStraysAside(ctx, (some) => inPacketTransaction(ctx.knex, (tx) => resumeShares(tx, some, shares))));
}

async function tagsWithParked(ctx: StoreContext): Promise<number[]> {
  const { rows } = await runOnPrimary<{ id: number; message_id: number | null }>(
    ctx.knex,
    `SELECT t.id, (SELECT m.id FROM message m WHERE m.lane = ${laneSql(LaneKind.PARKED, 't.id')} ORDER BY m.due_at LIMIT 1) AS message_id
     FROM tag t JOIN subscription s ON s.topic_id = t.topic_id AND s.active = 1 AND (s.tag = t.name OR s.tag = '${ALL_TAGS}')
     GROUP BY t.id`,
  );
  return rows.filter((row) => row.message_id !== null).map((row) => row.id);
}

async function resumeShares(tx: Tx, ctx: StoreContext, shares: readonly { owner: number; share: number }[]): Promise<number> {
  let resumed = 0;
  for (const { owner, share } of shares) {
    const { rows } = await run<{ id: number }>(tx, `SELECT id FROM message WHERE lane = ? ORDER BY due_at LIMIT ?${ctx.sql.forUpdateSkipLocked}`, [
      laneOf(LaneKind.PARKED, owner),
      share,
    ]);
    const messages = await lockMessages(
      tx,
      ctx,
      rows.map((row) => row.id),
      'skip',
    );
    const fanout = await readFanout(tx, messages);
    const taken = messages.filter((message) => message.has_body !== 0 && (fanout.get(message.id) ?? []).length > 0);
    const { aside } = await startSending(tx, ctx, taken, fanout, undefined);
    const sent = taken.filter((message) => !aside.has(message.id));
    await addEvents(
      tx,
      ctx,
      sent.map((message) => ({ messageId: message.id, kind: 'RESUMED', actor: ACTOR_TPC })),
    );
    resumed += sent.length;
  }
  return resumed;
}
