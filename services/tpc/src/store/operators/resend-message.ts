import { randomUUID } from 'node:crypto';
import { inPacketTransaction, placeholders, run, type Tx, valueRows } from '@tpc/core';
import { WHOLE_MESSAGE_TYPE } from '../../domain/invalid-content.ts';
import { moveOf, placeOf } from '../../domain/message-transitions.ts';
import { planResend, type ResendCopy, type ResendPlan, type ResendStep } from '../../domain/plan-resend.ts';
import type { Refusal } from '../../domain/reasons.ts';
import { ConfirmStatus, DeadReason, MessageState } from '../../domain/states.ts';
import type { StoreContext } from '../base/context.ts';
import { LaneKind, laneSql } from '../base/lanes.ts';
import { findMessageIds, type LockedMessage, lockMessages } from '../base/lock-messages.ts';
import { addEvents } from '../base/message-events.ts';
import { isDuplicate } from '../base/retrying.ts';
import { Attention, attentionOfOverdue } from '../overdue/attention.ts';
import { readFanout } from '../publishing/start-sending.ts';
import type { MessageRow, ResendMessage, ResendResult } from '../store-types.ts';
import { rememberAct, rememberedAnswer } from './admin-requests.ts';
import { readMessageRow } from './get-message.ts';

const ACT = 'RESEND';

/**
 * Publishes a message again (Store.resendMessage): the copies become due at once, each for its own group. Index: UNIQUE (message_key), then PRIMARY.
 * Locks: the message row, then its confirm rows.
 */
export async function resendMessage(ctx: StoreContext, request: ResendMessage): Promise<ResendResult> {
  // An id of our own makes a repetition after a commit without an answer harmless.
  const requestId = request.requestId === '' ? randomUUID() : request.requestId;
  const act = { requestId, act: ACT, subject: [request.messageKey, ...[...request.consumerGroups].sort()].join(' ').slice(0, 512) };
  return ctx.retry(async () => {
    for (let tries = 1; ; tries++) {
      const before = await rememberedAnswer<string[]>(ctx, act);
      if (before === 'other act') return { refused: 'REQUEST_ID_REUSED', metadata: { request_id: requestId } };
      if (before !== undefined) return answer(ctx, request.messageKey, before);
      try {
        const done = await resendOnce(ctx, request, act);
        return 'refused' in done ? done : answer(ctx, request.messageKey, done.groups);
      } catch (error) {
        // The same request at the same moment was first: the next look finds its answer. A duplicate of anything else comes again.
        if (!isDuplicate(error) || tries > 1) throw error;
      }
    }
  });
}

async function answer(ctx: StoreContext, messageKey: string, consumerGroups: string[]): Promise<ResendResult> {
  return { message: (await readMessageRow(ctx.knex, messageKey)) as MessageRow, consumerGroups };
}

type Act = { requestId: string; act: string; subject: string };

async function resendOnce(ctx: StoreContext, request: ResendMessage, act: Act): Promise<{ groups: string[] } | Refusal> {
  const { messageKey } = request;
  const metadata = { message_key: messageKey };
  const named = await ctx.names.findConsumerGroups(request.consumerGroups);
  const unknown = request.consumerGroups.find((name) => !named.has(name));
  const id = (await findMessageIds(ctx.knex, [messageKey])).get(messageKey);
  if (id === undefined) return { refused: 'RESEND_NOT_FOUND', metadata };
  return inPacketTransaction(ctx.knex, async (tx): Promise<{ groups: string[] } | Refusal> => {
    const message = (await lockMessages(tx, ctx, [id], 'wait'))[0];
    if (message === undefined) return { refused: 'RESEND_NOT_FOUND', metadata };
    const move = moveOf(placeOf(message), 'resend');
    if (move.refuse !== undefined) return { refused: move.refuse, metadata };
    if (await holdsWholeMessage(tx, message)) return { refused: 'CONTENT_INVALID', metadata };
    if (unknown !== undefined) return { refused: 'GROUP_NOT_SUBSCRIBED', metadata: { consumer_group: unknown } };
    const plan = await planFor(tx, message, [...named.values()]);
    if ('refused' in plan) return refusalOf(plan, message, named);
    const groups = await namesOf(tx, plan.steps);
    if (plan.steps.length > 0) {
      await writePlan(tx, ctx, message, plan);
      const detail = `${groups.join(', ')}${request.comment === '' ? '' : `: ${request.comment}`}`;
      await addEvents(tx, ctx, [{ messageId: id, kind: 'RESENT', actor: request.actor, detail }]);
    }
    await rememberAct(tx, ctx, act, groups);
    return { groups };
  });
}

/** The body of such a row is not what its producer meant to publish. */
async function holdsWholeMessage(tx: Tx, { id, reason }: LockedMessage): Promise<boolean> {
  if (reason !== DeadReason.CONTENT_INVALID) return false;
  const { rows } = await run<{ content_type: string }>(tx, 'SELECT content_type FROM message WHERE id = ?', [id]);
  return rows[0]?.content_type === WHOLE_MESSAGE_TYPE;
}

function refusalOf(plan: Extract<ResendPlan, { refused: string }>, message: LockedMessage, named: ReadonlyMap<string, number>): Refusal {
  if (plan.refused !== 'GROUP_NOT_SUBSCRIBED') return { refused: plan.refused, metadata: { message_key: message.message_key, tag: message.tag } };
  const group = [...named].find(([, groupId]) => groupId === plan.groupId)?.[0] ?? '';
  return { refused: plan.refused, metadata: { consumer_group: group } };
}

async function planFor(tx: Tx, message: LockedMessage, requested: readonly number[]): Promise<ResendPlan> {
  const { rows } = await run<{ group_id: number; status: number; dead: number; generation: number; due_at: number | null }>(
    tx,
    'SELECT group_id, status, dead, generation, due_at FROM confirm WHERE message_id = ?',
    [message.id],
  );
  const copies = rows.map(
    (row): ResendCopy => ({
      groupId: row.group_id,
      status: row.status,
      dead: row.dead === 1,
      generation: row.generation,
      stopped: row.due_at === null && row.status === ConfirmStatus.UNCONFIRMED,
    }),
  );
  const subscribers = (await readFanout(tx, [message])).get(message.id) ?? [];
  const publishPending = message.lane !== null && message.lane % 4 === LaneKind.PUBLISH;
  return planResend({ generation: message.generation, copies, subscribers, requested, publishPending });
}

async function namesOf(tx: Tx, steps: readonly ResendStep[]): Promise<string[]> {
  if (steps.length === 0) return [];
  const { rows } = await run<{ name: string }>(
    tx,
    `SELECT name FROM consumer_group WHERE id IN (${placeholders(steps.length)}) ORDER BY name`,
    steps.map((step) => step.groupId),
  );
  return rows.map((row) => row.name);
}

async function writePlan(tx: Tx, ctx: StoreContext, message: LockedMessage, plan: Exclude<ResendPlan, { refused: string }>): Promise<void> {
  await run(
    tx,
    `UPDATE message SET state = ${MessageState.SENDING}, generation = ?, open_groups = ?, dead_groups = ?, lane = ${laneSql(LaneKind.FOLLOW)},
       due_at = ${ctx.sql.now} + ?, claim = NULL, attention = CASE WHEN ? > 0 THEN ${Attention.NEEDED} ELSE ${attentionOfOverdue} END, reason = ?, reason_detail = NULL, finished_at = NULL,
       confirmed_at = COALESCE(confirmed_at, ${ctx.sql.now})
     WHERE id = ?`,
    [plan.generation, plan.open, plan.dead, ctx.policies.overdueAfterMs, plan.dead, plan.dead > 0 ? DeadReason.GROUP_FAILED : null, message.id],
  );
  const created = plan.steps.filter((step) => step.how === 'create');
  if (created.length > 0) {
    await run(
      tx,
      `INSERT INTO confirm (message_id, group_id, generation, status, due_at, urgent)
       VALUES ${valueRows(`(?, ?, ?, ${ConfirmStatus.UNCONFIRMED}, ${ctx.sql.now}, 1)`, created.length)}`,
      created.flatMap((step) => [message.id, step.groupId, step.generation]),
    );
  }
  for (const step of plan.steps.filter((one) => one.how !== 'create')) {
    const anew = step.how === 'anew' ? ', received_at = NULL, consumed_at = NULL, attempts = 0' : '';
    await run(
      tx,
      `UPDATE confirm SET status = ${ConfirmStatus.UNCONFIRMED}, dead = 0, reason = NULL, reason_detail = NULL, generation = ?,
         due_at = ${ctx.sql.now}, claim = NULL, urgent = 1${anew}
       WHERE message_id = ? AND group_id = ?`,
      [step.generation, message.id, step.groupId],
    );
  }
}
