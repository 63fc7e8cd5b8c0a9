import { randomUUID } from 'node:crypto';
import { inPacketTransaction, placeholders, run, runOnPrimary, type Tx } from '@tpc/core';
import type { Refusal } from '../../domain/reasons.ts';
import { ConfirmStatus } from '../../domain/states.ts';
import type { StoreContext } from '../base/context.ts';
import { lockMessages } from '../base/lock-messages.ts';
import { addEvents } from '../base/message-events.ts';
import { isDuplicate } from '../base/retrying.ts';
import { closeGroups } from '../deliveries/close-groups.ts';
import { rememberAct, rememberedAnswer } from '../operators/admin-requests.ts';
import { endOverdue } from '../overdue/end-overdue.ts';
import { InstanceKind, isLive } from '../registration/instances.ts';
import type { RemoveConsumerGroup, RemovedConsumerGroup } from '../store-types.ts';
import { unmarkMessages } from './not-taken.ts';

const ACT = 'REMOVE_GROUP';
const SAMPLE = 100;
/** Messages whose copies are skipped by one transaction. */
const AT_ONCE = 200;
/**
 * Messages that one look finds. Each look walks again past the open messages of other groups, and past those whose copies are skipped by now, so there
 * must be few looks.
 */
const FOUND_AT_ONCE = 20_000;

/**
 * Removes a consumer group (Store.removeConsumerGroup). Its subscriptions go first, so that no new copies come; then its copies are skipped, some hundred
 * messages a transaction. A death in between leaves less to do for the repetition. Its name stays, since other rows hold its id: a group
 * that is bound to no inbox database counts as not registered.
 */
export async function removeConsumerGroup(ctx: StoreContext, request: RemoveConsumerGroup): Promise<RemovedConsumerGroup | Refusal> {
  const { consumerGroup } = request;
  const act = { requestId: request.requestId === '' ? randomUUID() : request.requestId, act: ACT, subject: consumerGroup };
  const before = await ctx.retry(() => rememberedAnswer<RemovedConsumerGroup>(ctx, act));
  if (before === 'other act') return { refused: 'REQUEST_ID_REUSED', metadata: { request_id: act.requestId } };
  if (before !== undefined) return before;
  const groupId = (await ctx.names.findConsumerGroups([consumerGroup])).get(consumerGroup);
  const refusal = groupId === undefined ? notFound(consumerGroup) : await ctx.retry(() => refusalOf(ctx, groupId, request));
  if (groupId === undefined || refusal !== undefined) return refusal as Refusal;
  if (request.validateOnly) return ctx.retry(() => countOpen(ctx, groupId));
  await ctx.retry(() => unregister(ctx, groupId));
  const done = await skipAll(ctx, groupId, request);
  await ctx
    .retry(() => inPacketTransaction(ctx.knex, (tx) => rememberAct(tx, ctx, act, done)))
    .catch((error) => {
      // The same request at the same moment was first.
      if (!isDuplicate(error)) throw error;
    });
  return done;
}

function notFound(consumerGroup: string): Refusal {
  return { refused: 'GROUP_NOT_FOUND', metadata: { consumer_group: consumerGroup } };
}

async function refusalOf(ctx: StoreContext, groupId: number, { consumerGroup, force }: RemoveConsumerGroup): Promise<Refusal | undefined> {
  const { rows } = await runOnPrimary<{ bound: number; live: number }>(
    ctx.knex,
    `SELECT inbox_store IS NOT NULL AS bound, (SELECT COUNT(*) FROM instance WHERE kind = ${InstanceKind.CONSUMER} AND group_id = ?
       AND ${isLive(ctx.sql)}) AS live FROM consumer_group WHERE id = ?`,
    [groupId, ctx.policies.instanceGoneMs, ctx.policies.instanceGoneMs, groupId],
  );
  const { bound = 0, live = 0 } = rows[0] ?? {};
  if (bound === 0) return notFound(consumerGroup);
  return live > 0 && !force ? { refused: 'GROUP_IS_LIVE', metadata: { consumer_group: consumerGroup, instances: String(live) } } : undefined;
}

async function unregister(ctx: StoreContext, groupId: number): Promise<void> {
  await inPacketTransaction(ctx.knex, async (tx) => {
    await run(tx, 'DELETE FROM subscription WHERE group_id = ?', [groupId]);
    await run(tx, `DELETE FROM instance WHERE kind = ${InstanceKind.CONSUMER} AND group_id = ?`, [groupId]);
    await run(tx, 'UPDATE consumer_group SET inbox_store = NULL, differing = NULL, untaken = NULL WHERE id = ?', [groupId]);
  });
}

/**
 * Every message with an open or a dead copy stands in a lane or needs attention, or both, and then counts once. Index: message_lane_due or
 * message_attention, PRIMARY of confirm.
 */
const OPEN_COPIES = ['m.lane IS NOT NULL', 'm.attention = 1 AND m.lane IS NULL'].map(
  (where) => `FROM message m JOIN confirm c ON c.message_id = m.id AND c.group_id = ? AND c.status < ${ConfirmStatus.CONSUMED} WHERE ${where}`,
);

async function countOpen(ctx: StoreContext, groupId: number): Promise<RemovedConsumerGroup> {
  const sample: string[] = [];
  let skipped = 0;
  for (const from of OPEN_COPIES) {
    const counted = await runOnPrimary<{ n: number }>(ctx.knex, `SELECT COUNT(*) AS n ${from}`, [groupId]);
    const { rows } = await runOnPrimary<{ message_key: string }>(ctx.knex, `SELECT m.message_key ${from} LIMIT ${SAMPLE}`, [groupId]);
    skipped += counted.rows[0]?.n ?? 0;
    sample.push(...rows.map(({ message_key }) => message_key).slice(0, SAMPLE - sample.length));
  }
  return { skipped, sample };
}

async function skipAll(ctx: StoreContext, groupId: number, request: RemoveConsumerGroup): Promise<RemovedConsumerGroup> {
  const sample: string[] = [];
  let skipped = 0;
  for (const from of OPEN_COPIES) {
    let found: number;
    do {
      const { rows } = await ctx.retry(() => runOnPrimary<{ id: number }>(ctx.knex, `SELECT m.id ${from} LIMIT ${FOUND_AT_ONCE}`, [groupId]));
      found = rows.length;
      for (let start = 0; start < found; start += AT_ONCE) {
        const ids = rows.slice(start, start + AT_ONCE).map(({ id }) => id);
        const keys = await ctx.retry(() => inPacketTransaction(ctx.knex, (tx) => skip(tx, ctx, { groupId, request, ids })));
        skipped += keys.length;
        sample.push(...keys.slice(0, SAMPLE - sample.length));
      }
    } while (found === FOUND_AT_ONCE);
  }
  return { skipped, sample };
}

type Part = { groupId: number; request: RemoveConsumerGroup; ids: readonly number[] };

/** Locks: message rows by id, then their confirm rows. @returns keys of the messages whose copies are skipped now */
async function skip(tx: Tx, ctx: StoreContext, { groupId, request, ids }: Part): Promise<string[]> {
  const messages = await lockMessages(tx, ctx, ids, 'wait');
  if (messages.length === 0) return [];
  const { rows } = await run<{ message_id: number; dead: number; overdue: number }>(
    tx,
    `SELECT message_id, dead, overdue FROM confirm WHERE group_id = ? AND status < ${ConfirmStatus.CONSUMED} AND message_id IN (${placeholders(ids.length)})`,
    [groupId, ...ids],
  );
  if (rows.length === 0) return [];
  const changed = rows.map((row) => row.message_id);
  await run(
    tx,
    `UPDATE confirm SET status = ${ConfirmStatus.SKIPPED}, dead = 0, due_at = NULL, claim = NULL, urgent = 0, overdue = 0
     WHERE group_id = ? AND message_id IN (${placeholders(changed.length)})`,
    [groupId, ...changed],
  );
  await closeGroups(
    tx,
    ctx,
    rows.map((row) => ({ messageId: row.message_id, open: row.dead === 1 ? 0 : -1, dead: row.dead === 1 ? -1 : 0 })),
  );
  const late = rows.filter((row) => row.overdue === 1).map(({ message_id: messageId }) => ({ messageId, groupId, actor: request.actor }));
  await endOverdue(tx, ctx, late);
  await unmarkMessages(tx, changed);
  const detail = `group removed${request.comment === '' ? '' : `: ${request.comment}`}`;
  await addEvents(
    tx,
    ctx,
    changed.map((messageId) => ({ messageId, kind: 'SKIPPED', groupId, actor: request.actor, detail })),
  );
  const keys = new Map(messages.map((message) => [message.id, message.message_key]));
  return changed.map((id) => keys.get(id) as string);
}
