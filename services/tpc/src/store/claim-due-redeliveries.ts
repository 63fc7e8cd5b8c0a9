import { inPacketTransaction, placeholders, run, runOnPrimary, waitBeforeRetry } from '@tpc/core';
import type { Knex } from 'knex';
import { redeliveryHelps } from '../domain/redelivery.ts';
import { ConfirmStatus, MessageState } from '../domain/states.ts';
import type { Db, StoreContext } from './context.ts';
import { fairShares } from './fair-shares.ts';
import { readIdleSince } from './instances.ts';
import { ACTOR_TPC, addEvents, MAX_REPEATED_EVENTS, type NewEvent } from './message-events.ts';
import { readPublishItems } from './publish-items.ts';
import { selectPerGroup } from './select-per-group.ts';
import type { Claim, RedeliveryItem } from './store-types.ts';

type DueCopy = {
  message_id: number;
  group_id: number;
  attempts: number;
  generation: number;
  urgent: number;
  published_at: number | null;
};
type MessageFacts = {
  id: number;
  state: number;
  lane: number | null;
  topic_id: number;
  published_at: number | null;
  confirmed_at: number | null;
  now: number;
};
type GroupFacts = { name: string; idleSince: number | undefined; progress: Map<number, number> };
type Claimed = { copy: DueCopy; consumerGroup: string };

/**
 * Claims copies worth publishing again (Store.claimDueRedeliveries), a share of the limit for each group that has some due. A copy that
 * cannot be helped moves on by a wait that grows with its age, so a healthy backlog is looked at a few times only, and never stands before others.
 * Index: confirm_group_due, one short look for each group. Locks: confirm rows, skipping what others hold, so it never waits. Messages are only
 * read: what settles a copy holds its message and then waits for this claim.
 */
export async function claimDueRedeliveries(ctx: StoreContext, limit: number, claim: Claim): Promise<{ items: RedeliveryItem[]; examined: number }> {
  const groups = await ctx.retry(() => groupsWithDueCopies(ctx));
  if (groups.size === 0) return { items: [], examined: 0 };
  const shares = fairShares([...groups.keys()], limit, ctx.random());
  const facts = await ctx.retry(() => readGroupFacts(ctx.knex, ctx, groups));
  const { done, contents } = await ctx.retry(() =>
    inPacketTransaction(ctx.knex, async (tx) => {
      const done = await claimShares(tx, ctx, { shares, facts, claim });
      // Within the claim's transaction: outside of it a replica might answer that does not know the messages yet.
      return { done, contents: await readPublishItems(tx, [...new Set(done.claimed.map(({ copy }) => copy.message_id))]) };
    }),
  );
  const items = done.claimed.flatMap(({ copy, consumerGroup }): RedeliveryItem[] => {
    const item = contents.get(copy.message_id);
    return item === undefined ? [] : [{ ...item, consumerGroup, generation: copy.generation, attempts: copy.attempts + 1 }];
  });
  return { items, examined: done.examined };
}

async function groupsWithDueCopies({ knex, sql }: StoreContext): Promise<Map<number, string>> {
  const groups = await runOnPrimary<{ id: number; name: string }>(knex, 'SELECT id, name FROM consumer_group');
  const names = new Map(groups.rows.map(({ id, name }) => [id, name]));
  const due = await selectPerGroup<{ due_at: number | null }>(knex, [...names.keys()], 'MIN(due_at) AS due_at', `due_at <= ${sql.now}`);
  return new Map(due.flatMap(({ id, due_at }) => (due_at === null ? [] : [[id, names.get(id) ?? '']])));
}

async function readGroupFacts(db: Db, ctx: StoreContext, groups: ReadonlyMap<number, string>): Promise<Map<number, GroupFacts>> {
  const ids = [...groups.keys()];
  const idle = await readIdleSince(db, ctx, ids);
  const { rows } = await runOnPrimary<{ group_id: number; topic_id: number; latest_published_at: number }>(
    db,
    `SELECT group_id, topic_id, latest_published_at FROM group_progress WHERE group_id IN (${placeholders(ids.length)})`,
    ids,
  );
  return new Map(
    ids.map((id) => {
      const progress = rows.filter((row) => row.group_id === id).map((row) => [row.topic_id, row.latest_published_at] as const);
      return [id, { name: groups.get(id) as string, idleSince: idle.get(id), progress: new Map(progress) }];
    }),
  );
}

type Work = { shares: readonly { owner: number; share: number }[]; facts: ReadonlyMap<number, GroupFacts>; claim: Claim };

async function claimShares(
  tx: Knex.Transaction,
  ctx: StoreContext,
  { shares, facts, claim }: Work,
): Promise<{ claimed: Claimed[]; examined: number }> {
  const claimed: Claimed[] = [];
  let examined = 0;
  for (const { owner, share } of shares) {
    const group = facts.get(owner) as GroupFacts;
    const { rows } = await run<DueCopy>(
      tx,
      `SELECT message_id, group_id, attempts, generation, urgent, published_at FROM confirm
       WHERE group_id = ? AND due_at <= ${ctx.sql.now} ORDER BY due_at LIMIT ?${ctx.sql.forUpdateSkipLocked}`,
      [owner, share],
    );
    const messages = await readMessageFacts(
      tx,
      ctx,
      rows.map((row) => row.message_id),
    );
    const judged = rows.map((copy) => ({ copy, fate: judge(ctx, copy, messages.get(copy.message_id), group) }));
    const useful = judged.filter(({ fate }) => fate === 'claim').map(({ copy }) => copy);
    await setClaim(tx, ctx, owner, useful, claim);
    await stopFollowing(
      tx,
      owner,
      judged.filter(({ fate }) => fate === 'stop').map(({ copy }) => copy),
    );
    for (const [wait, group] of Map.groupBy(judged, ({ fate }) => fate)) {
      if (typeof wait === 'number')
        await moveOn(
          tx,
          ctx,
          owner,
          group.map(({ copy }) => copy),
          wait,
        );
    }
    claimed.push(...useful.map((copy) => ({ copy, consumerGroup: group.name })));
    examined += rows.length;
  }
  return { claimed, examined };
}

async function readMessageFacts(tx: Knex.Transaction, ctx: StoreContext, ids: readonly number[]): Promise<Map<number, MessageFacts>> {
  if (ids.length === 0) return new Map();
  const { rows } = await run<MessageFacts>(
    tx,
    `SELECT id, state, topic_id, published_at, confirmed_at, ${ctx.sql.now} AS now FROM message WHERE id IN (${placeholders(ids.length)})`,
    ids,
  );
  return new Map(rows.map((row) => [row.id, row]));
}

/** @returns claim it, stop looking at it, or look again after so many milliseconds */
function judge(ctx: StoreContext, copy: DueCopy, message: MessageFacts | undefined, group: GroupFacts): 'claim' | 'stop' | number {
  if (message === undefined || message.state !== MessageState.SENDING) return 'stop';
  const publishedAt = copy.published_at ?? message.published_at ?? undefined;
  const helps = redeliveryHelps({
    publishedAt,
    urgent: copy.urgent === 1,
    groupProgressAt: group.progress.get(message.topic_id),
    idleSince: group.idleSince,
    overtakenByMs: ctx.policies.overtakenByMs,
  });
  return helps ? 'claim' : waitByAge(ctx, message.now - (publishedAt ?? message.confirmed_at ?? message.now));
}

/** Doubling with the age, in whole steps, so that rows of one look share one UPDATE. */
function waitByAge(ctx: StoreContext, ageMs: number): number {
  const { firstWaitMs, maxWaitMs } = ctx.policies.redeliver;
  const steps = Math.max(0, Math.floor(Math.log2(Math.max(1, ageMs / firstWaitMs))));
  return Math.min(maxWaitMs, firstWaitMs * 2 ** steps);
}

async function setClaim(tx: Knex.Transaction, ctx: StoreContext, groupId: number, copies: readonly DueCopy[], claim: Claim): Promise<void> {
  if (copies.length === 0) return;
  await run(
    tx,
    `UPDATE confirm SET claim = ?, attempts = attempts + 1, due_at = ${ctx.sql.now} + ?
     WHERE group_id = ? AND message_id IN (${placeholders(copies.length)}) AND status = ${ConfirmStatus.UNCONFIRMED}`,
    [claim.token, claim.leaseMs, groupId, ...copies.map((copy) => copy.message_id)],
  );
  const few = copies.filter((copy) => copy.attempts < MAX_REPEATED_EVENTS);
  const events = few.map((copy): NewEvent => ({ messageId: copy.message_id, kind: 'REDELIVERED', groupId, actor: ACTOR_TPC }));
  await addEvents(tx, ctx, events);
}

async function moveOn(tx: Knex.Transaction, ctx: StoreContext, groupId: number, copies: readonly DueCopy[], waitMs: number): Promise<void> {
  const wait = waitBeforeRetry({ ...ctx.policies.redeliver, firstWaitMs: waitMs }, 1, ctx.random());
  await run(tx, `UPDATE confirm SET due_at = ${ctx.sql.now} + ? WHERE group_id = ? AND message_id IN (${placeholders(copies.length)})`, [
    wait,
    groupId,
    ...copies.map((copy) => copy.message_id),
  ]);
}

async function stopFollowing(tx: Knex.Transaction, groupId: number, copies: readonly DueCopy[]): Promise<void> {
  if (copies.length === 0) return;
  await run(tx, `UPDATE confirm SET due_at = NULL, claim = NULL WHERE group_id = ? AND message_id IN (${placeholders(copies.length)})`, [
    groupId,
    ...copies.map((copy) => copy.message_id),
  ]);
}
