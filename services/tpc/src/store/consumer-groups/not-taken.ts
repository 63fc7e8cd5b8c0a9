import { deferWrite, inPacketTransaction, placeholders, run, runOnPrimary, type Tx } from '@tpc/core';
import { isTaken, type LiveInstance } from '../../domain/live-instances.ts';
import { ConfirmStatus, DeadReason, MessageState, WaitReason } from '../../domain/states.ts';
import type { StoreContext } from '../base/context.ts';
import { lockMessages } from '../base/lock-messages.ts';
import { ACTOR_TPC, addEvents, type NewEvent } from '../base/message-events.ts';
import { Attention, attentionOfOverdue } from '../overdue/attention.ts';

const NOT_TAKEN = WaitReason.TAG_NOT_TAKEN;
/** Copies whose marks one transaction takes off. */
const AT_ONCE = 200;

const MARKED = `status = ${ConfirmStatus.UNCONFIRMED} AND reason = '${NOT_TAKEN}'`;

/**
 * Notes that copies of a group wait for an instance that takes their tag: on the copy, once in the timeline, and for the attention of people. They stay
 * SENDING. Locks: message rows by id, skipping what others hold (the next look notes those), then their confirm rows.
 */
export async function markNotTaken(ctx: StoreContext, groupId: number, messageIds: readonly number[]): Promise<void> {
  if (messageIds.length === 0) return;
  await ctx.retry(() => inPacketTransaction(ctx.knex, (tx) => markOnce(tx, ctx, groupId, messageIds)));
}

async function markOnce(tx: Tx, ctx: StoreContext, groupId: number, messageIds: readonly number[]): Promise<void> {
  const locked = await lockMessages(tx, ctx, messageIds, 'skip');
  const sending = locked.filter((row) => row.state === MessageState.SENDING);
  if (sending.length === 0) return;
  const ids = sending.map((row) => row.id);
  const { rows } = await run<{ message_id: number; reason: string | null }>(
    tx,
    `SELECT message_id, reason FROM confirm
     WHERE group_id = ? AND message_id IN (${placeholders(ids.length)}) AND status = ${ConfirmStatus.UNCONFIRMED} AND dead = 0`,
    [groupId, ...ids],
  );
  if (rows.length === 0) return;
  const waiting = rows.map((row) => row.message_id);
  await run(tx, `UPDATE confirm SET reason = ? WHERE group_id = ? AND message_id IN (${placeholders(waiting.length)})`, [
    NOT_TAKEN,
    groupId,
    ...waiting,
  ]);
  await run(tx, `UPDATE message SET attention = ${Attention.NEEDED}, reason = COALESCE(reason, ?) WHERE id IN (${placeholders(waiting.length)})`, [
    NOT_TAKEN,
    ...waiting,
  ]);
  const tags = new Map(sending.map((row) => [row.id, row.tag]));
  const fresh = rows.filter((row) => row.reason !== NOT_TAKEN);
  const events = fresh.map(({ message_id: messageId }): NewEvent => {
    const detail = `no live instance of the group takes tag "${tags.get(messageId)}"`;
    return { messageId, kind: NOT_TAKEN, groupId, actor: ACTOR_TPC, detail };
  });
  await addEvents(tx, ctx, events);
}

/**
 * Takes the mark off those copies of a group whose tag is taken again.
 * Index: message_attention, PRIMARY of confirm. Locks: message rows by id, then their confirm rows.
 */
export async function unmarkTaken(ctx: StoreContext, groupId: number, instances: readonly LiveInstance[]): Promise<void> {
  for (let after = 0; ; ) {
    const marked = await ctx.retry(() => readMarked(ctx, groupId, after));
    const taken = marked.filter(({ topic, tag }) => isTaken(instances, topic, tag)).map(({ id }) => id);
    if (taken.length > 0) await ctx.retry(() => inPacketTransaction(ctx.knex, (tx) => unmark(tx, ctx, groupId, taken)));
    if (marked.length < AT_ONCE) return;
    after = marked.at(-1)?.id ?? 0;
  }
}

async function readMarked(ctx: StoreContext, groupId: number, after: number): Promise<{ id: number; topic: string; tag: string }[]> {
  const byAttention = ctx.sql.name === 'mysql' ? ' FORCE INDEX (message_attention)' : '';
  const { rows } = await runOnPrimary<{ id: number; topic: string; tag: string }>(
    ctx.knex,
    `SELECT m.id, t.name AS topic, m.tag FROM message m${byAttention} JOIN topic t ON t.id = m.topic_id
     JOIN confirm c ON c.message_id = m.id AND c.group_id = ? AND c.status = ${ConfirmStatus.UNCONFIRMED} AND c.reason = '${NOT_TAKEN}'
     WHERE m.attention = ${Attention.NEEDED} AND m.id > ? ORDER BY m.id LIMIT ${AT_ONCE}`,
    [groupId, after],
  );
  return rows;
}

async function unmark(tx: Tx, ctx: StoreContext, groupId: number, ids: readonly number[]): Promise<void> {
  await lockMessages(tx, ctx, ids, 'wait');
  await run(tx, `UPDATE confirm SET reason = NULL WHERE group_id = ? AND message_id IN (${placeholders(ids.length)}) AND ${MARKED}`, [
    groupId,
    ...ids,
  ]);
  await unmarkMessages(tx, ids);
}

/** A message needs no attention any more once none of its copies waits for a taker. Lock: the caller holds the message rows. */
export async function unmarkMessages(tx: Tx, ids: readonly number[]): Promise<void> {
  if (ids.length === 0) return;
  await deferWrite(
    tx,
    `UPDATE message SET attention = CASE WHEN dead_groups > 0 THEN ${Attention.NEEDED} ELSE ${attentionOfOverdue} END,
       reason = CASE WHEN dead_groups > 0 THEN '${DeadReason.GROUP_FAILED}' END
     WHERE id IN (${placeholders(ids.length)}) AND state = ${MessageState.SENDING} AND reason = '${NOT_TAKEN}'
       AND NOT EXISTS (SELECT 1 FROM confirm WHERE message_id = message.id AND ${MARKED})`,
    ids,
  );
}
