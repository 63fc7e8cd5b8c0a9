import { inPacketTransaction, placeholders, run, runOnPrimary, type Tx, waitBeforeRetry } from '@tpc/core';
import { idleSince } from '../../domain/live-instances.ts';
import { UNTAKEN_WAITS } from '../../domain/longest-waits.ts';
import { redeliveryHelps } from '../../domain/redelivery.ts';
import { ConfirmStatus, MessageState, WaitReason } from '../../domain/states.ts';
import type { Db, StoreContext } from '../base/context.ts';
import { fairShares } from '../base/fair-shares.ts';
import { ACTOR_TPC, addEvents, MAX_REPEATED_EVENTS, type NewEvent } from '../base/message-events.ts';
import { markNotTaken } from '../consumer-groups/not-taken.ts';
import { waitsForTaker } from '../consumer-groups/subscription-faults.ts';
import { readPublishItems } from '../publishing/publish-items.ts';
import type { Claim, RedeliveryItem } from '../store-types.ts';
import { type DueCopies, findDueCopies, type GroupFacts, rangeOf } from './due-copies.ts';

type DueCopy = {
  message_id: number;
  group_id: number;
  attempts: number;
  generation: number;
  urgent: number;
  published_at: number | null;
  reason: string | null;
};
type MessageFacts = {
  id: number;
  state: number;
  lane: number | null;
  topic_id: number;
  topic: string;
  tag: string;
  attention: number | null;
  published_at: number | null;
  confirmed_at: number | null;
  now: number;
};
/** Latest time of publishing among what a group has received, by group and topic. */
type Progress = ReadonlyMap<string, number>;
type Claimed = { copy: DueCopy; consumerGroup: string };
/** `untaken`: by group, messages whose wait for somebody who takes their tag is still to be noted. */
type Done = { claimed: Claimed[]; examined: number; untaken: Map<number, number[]> };

/**
 * Claims copies worth publishing again (Store.claimDueRedeliveries), a share of the limit for each group that has some to look at (due-copies.ts): first
 * what is to be published in any case, then what waits, oldest first. A copy that is looked at and cannot be helped moves on by a wait that grows with its
 * age, so that it does not stand before others.
 * Index: confirm_group_due, short ranges of it for each group. Locks: confirm rows, skipping what others hold, so it never waits. Messages are only
 * read: what settles a copy holds its message and then waits for this claim.
 */
export async function claimDueRedeliveries(ctx: StoreContext, limit: number, claim: Claim): Promise<{ items: RedeliveryItem[]; examined: number }> {
  const due = Map.groupBy(await ctx.retry(() => findDueCopies(ctx)), ({ group }) => group.id);
  if (due.size === 0) return { items: [], examined: 0 };
  const shares = fairShares([...due.keys()], limit, ctx.random());
  const progress = await ctx.retry(() => readProgress(ctx.knex, ctx, [...due.keys()]));
  const { done, contents } = await ctx.retry(() =>
    inPacketTransaction(ctx.knex, async (tx) => {
      const done = await claimShares(tx, ctx, { shares, due, progress, claim });
      // Within the claim's transaction: outside of it a replica might answer that does not know the messages yet.
      return { done, contents: await readPublishItems(tx, [...new Set(done.claimed.map(({ copy }) => copy.message_id))]) };
    }),
  );
  for (const [groupId, messageIds] of done.untaken) await markNotTaken(ctx, groupId, messageIds);
  const items = done.claimed.flatMap(({ copy, consumerGroup }): RedeliveryItem[] => {
    const item = contents.get(copy.message_id);
    return item === undefined ? [] : [{ ...item, consumerGroup, generation: copy.generation, attempts: copy.attempts + 1 }];
  });
  return { items, examined: done.examined };
}

/** Index: PRIMARY of group_progress. */
async function readProgress(db: Db, { sql }: StoreContext, groupIds: readonly number[]): Promise<Progress> {
  const { rows } = await runOnPrimary<{ group_id: number; topic_id: number; latest_published_at: number }>(
    db,
    `SELECT group_id, topic_id, latest_published_at FROM group_progress
     WHERE group_id IN (${placeholders(groupIds.length)}) AND latest_published_at <= ${sql.now}`,
    groupIds,
  );
  return new Map(rows.map((row) => [`${row.group_id} ${row.topic_id}`, row.latest_published_at]));
}

type Work = {
  shares: readonly { owner: number; share: number }[];
  due: ReadonlyMap<number, readonly DueCopies[]>;
  progress: Progress;
  claim: Claim;
};

async function claimShares(tx: Tx, ctx: StoreContext, work: Work): Promise<Done> {
  const done: Done = { claimed: [], examined: 0, untaken: new Map() };
  for (const { owner, share } of work.shares) {
    const due = work.due.get(owner) as [DueCopies, ...DueCopies[]];
    const { group } = due[0];
    const rows = await lockDue(tx, ctx, due, share);
    const { claimed, untaken } = await judgeAndWrite(tx, ctx, { rows, group, progress: work.progress, claim: work.claim });
    done.claimed.push(...claimed.map((copy) => ({ copy, consumerGroup: group.name })));
    done.untaken.set(group.id, untaken);
    done.examined += rows.length;
  }
  return done;
}

/** @param due of one group, in the order in which they are taken */
async function lockDue(tx: Tx, ctx: StoreContext, due: readonly DueCopies[], share: number): Promise<DueCopy[]> {
  const locked: DueCopy[] = [];
  for (const look of due) {
    if (locked.length >= share) break;
    const { rows } = await run<DueCopy>(
      tx,
      `SELECT message_id, group_id, attempts, generation, urgent, published_at, reason FROM confirm
       WHERE ${rangeOf(look)} ORDER BY due_at LIMIT ?${ctx.sql.forUpdateSkipLocked}`,
      [share - locked.length],
    );
    locked.push(...rows);
  }
  return locked;
}

type Looked = { rows: readonly DueCopy[]; group: GroupFacts; progress: Progress; claim: Claim };

/** @returns what is claimed, and messages whose wait for a taker is not noted yet */
async function judgeAndWrite(
  tx: Tx,
  ctx: StoreContext,
  { rows, group, progress, claim }: Looked,
): Promise<{ claimed: DueCopy[]; untaken: number[] }> {
  const ids = rows.map((row) => row.message_id);
  const messages = await readMessageFacts(tx, ctx, ids);
  const fates = Map.groupBy(rows, (copy) => judge(ctx, copy, messages.get(copy.message_id), { group, progress }));
  for (const [fate, copies] of fates) {
    if (fate === 'claim') await setClaim(tx, ctx, group.id, copies, claim);
    else if (fate === 'stop') await stopFollowing(tx, group.id, copies);
    else if (fate === 'ahead') await setPublishedNow(tx, ctx, group.id, copies);
    else await moveOn(tx, ctx, group.id, copies, fate === 'untaken' ? UNTAKEN_WAITS * ctx.policies.redeliver.maxWaitMs : fate);
  }
  const untaken = (fates.get('untaken') ?? []).filter((copy) => !isNoted(copy, messages.get(copy.message_id)));
  return { claimed: fates.get('claim') ?? [], untaken: untaken.map((copy) => copy.message_id) };
}

function isNoted({ reason }: DueCopy, message: MessageFacts | undefined): boolean {
  return reason === WaitReason.TAG_NOT_TAKEN && message?.attention === 1;
}

async function readMessageFacts(tx: Tx, ctx: StoreContext, ids: readonly number[]): Promise<Map<number, MessageFacts>> {
  if (ids.length === 0) return new Map();
  const { rows } = await run<MessageFacts>(
    tx,
    `SELECT m.id, m.state, m.topic_id, t.name AS topic, m.tag, m.attention, m.published_at, m.confirmed_at, ${ctx.sql.now} AS now
     FROM message m JOIN topic t ON t.id = m.topic_id WHERE m.id IN (${placeholders(ids.length)})`,
    ids,
  );
  return new Map(rows.map((row) => [row.id, row]));
}

/**
 * @returns claim it, stop looking at it, wait until somebody takes its tag, look again after so many milliseconds, or `ahead`: it was published in the future, which
 * is before the database's clock was set back
 */
function judge(
  ctx: StoreContext,
  copy: DueCopy,
  message: MessageFacts | undefined,
  { group, progress }: Pick<Looked, 'group' | 'progress'>,
): 'claim' | 'stop' | 'untaken' | 'ahead' | number {
  if (message === undefined || message.state !== MessageState.SENDING) return 'stop';
  if (copy.urgent === 0 && waitsForTaker(group.untaken, group.instances, message)) return 'untaken';
  const publishedAt = copy.published_at ?? message.published_at ?? undefined;
  if (copy.urgent === 0 && publishedAt !== undefined && publishedAt > message.now) return 'ahead';
  const helps = redeliveryHelps({
    publishedAt,
    urgent: copy.urgent === 1,
    groupProgressAt: progress.get(`${group.id} ${message.topic_id}`),
    idleSince: idleSince(group.instances, message.topic),
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

/** What was decided to be published stays so: when the claimer dies, whoever comes next does it, whatever the group says by then. */
async function setClaim(tx: Tx, ctx: StoreContext, groupId: number, copies: readonly DueCopy[], claim: Claim): Promise<void> {
  await run(
    tx,
    `UPDATE confirm SET claim = ?, urgent = 1, attempts = attempts + 1, due_at = ${ctx.sql.now} + ?
     WHERE group_id = ? AND message_id IN (${placeholders(copies.length)}) AND status = ${ConfirmStatus.UNCONFIRMED}`,
    [claim.token, claim.leaseMs, groupId, ...copies.map((copy) => copy.message_id)],
  );
  const few = copies.filter((copy) => copy.attempts < MAX_REPEATED_EVENTS);
  const events = few.map((copy): NewEvent => ({ messageId: copy.message_id, kind: 'REDELIVERED', groupId, actor: ACTOR_TPC }));
  await addEvents(tx, ctx, events);
}

async function moveOn(tx: Tx, ctx: StoreContext, groupId: number, copies: readonly DueCopy[], waitMs: number): Promise<void> {
  const wait = waitBeforeRetry({ ...ctx.policies.redeliver, firstWaitMs: waitMs, maxWaitMs: waitMs }, 1, ctx.random());
  await run(tx, `UPDATE confirm SET due_at = ${ctx.sql.now} + ? WHERE group_id = ? AND message_id IN (${placeholders(copies.length)})`, [
    wait,
    groupId,
    ...copies.map((copy) => copy.message_id),
  ]);
}

/** Whether the group has gone past it can be told from now on: it counts as published at this look. */
async function setPublishedNow(tx: Tx, ctx: StoreContext, groupId: number, copies: readonly DueCopy[]): Promise<void> {
  const ids = copies.map((copy) => copy.message_id);
  const wait = waitBeforeRetry(ctx.policies.redeliver, 1, ctx.random());
  const { now } = ctx.sql;
  await run(tx, `UPDATE confirm SET published_at = ${now}, due_at = ${now} + ? WHERE group_id = ? AND message_id IN (${placeholders(ids.length)})`, [
    wait,
    groupId,
    ...ids,
  ]);
}

async function stopFollowing(tx: Tx, groupId: number, copies: readonly DueCopy[]): Promise<void> {
  await run(tx, `UPDATE confirm SET due_at = NULL, claim = NULL WHERE group_id = ? AND message_id IN (${placeholders(copies.length)})`, [
    groupId,
    ...copies.map((copy) => copy.message_id),
  ]);
}
