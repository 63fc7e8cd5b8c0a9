import { deferWrite, placeholders, run, type Sql, type SqlValue, type Tx, valueRows, waitBeforeRetry } from '@tpc/core';
import { CancelKind, ConfirmStatus, DeadReason, MessageState } from '../../domain/states.ts';
import type { StoreContext } from '../base/context.ts';
import { LaneKind, laneOf, laneSql } from '../base/lanes.ts';
import type { LockedMessage } from '../base/lock-messages.ts';
import { ACTOR_TPC, addEvents } from '../base/message-events.ts';
import { ALL_TAGS } from '../registration/subscription-view.ts';
import { setStraysAside } from '../repair/stray-copies.ts';
import type { Claim } from '../store-types.ts';
import { withinBytes } from './publish-items.ts';

const MAX_ROWS_PER_INSERT = 1000;

/** Group ids by message id; an empty list means that nobody subscribes its topic and tag. */
export type Fanout = ReadonlyMap<number, readonly number[]>;

/**
 * Which groups get each message, read in the transaction that makes it SENDING (design §4), by topic and tag.
 * Index: subscription PRIMARY (topic_id, …).
 */
export async function readFanout(tx: Tx, messages: readonly Addressed[]): Promise<Fanout> {
  const topics = [...new Set(messages.map((message) => message.topic_id))];
  if (topics.length === 0) return new Map();
  const { rows } = await run<Subscription>(tx, `${READ_SUBSCRIPTIONS} (${placeholders(topics.length)})`, topics);
  return fanoutOf(messages, rows);
}

type Addressed = { id: number; topic_id: number; tag: string };
export type Subscription = { topic_id: number; group_id: number; tag: string };

const READ_SUBSCRIPTIONS = 'SELECT topic_id, group_id, tag FROM subscription WHERE active = 1 AND topic_id IN';

/** Reads the subscriptions of these messages' topics, which never change, before the messages themselves are known. Index: PRIMARY of both. */
export function subscriptionsOf(messageIds: readonly number[]): Sql {
  return { sql: `${READ_SUBSCRIPTIONS} (SELECT topic_id FROM message WHERE id IN (${placeholders(messageIds.length)}))`, params: messageIds };
}

/** Which groups get each message, by topic and tag. */
export function fanoutOf(messages: readonly Addressed[], rows: readonly Subscription[]): Fanout {
  return new Map(
    messages.map(({ id, topic_id, tag }) => {
      const takers = rows.filter((row) => row.topic_id === topic_id && (row.tag === ALL_TAGS || row.tag === tag));
      return [id, [...new Set(takers.map((row) => row.group_id))].sort((a, b) => a - b)];
    }),
  );
}

export type Started = { claimed: ReadonlySet<number>; aside: ReadonlySet<number> };

/**
 * Makes locked messages SENDING with one confirm row for each group, or DEAD when nobody subscribes them (parked until someone does).
 * The claim makes the caller the one who publishes: when it dies, the lease runs out. Without a claim the messages are due at once.
 * @returns ids that are claimed for the caller, and ids that were set aside instead (repair/stray-copies.ts)
 */
export async function startSending(
  tx: Tx,
  ctx: StoreContext,
  messages: readonly LockedMessage[],
  fanout: Fanout,
  claim: Claim | undefined,
): Promise<Started> {
  const aside = await setStraysAside(tx, ctx, messages);
  const rest = messages.filter((message) => !aside.has(message.id));
  const taken = rest.filter((message) => (fanout.get(message.id) ?? []).length > 0);
  await insertConfirmRows(tx, ctx, taken, fanout);
  const claimed = new Set(claim === undefined ? [] : withinBytes(taken));
  const byOpenGroups = Map.groupBy(taken, (message) => `${(fanout.get(message.id) as readonly number[]).length} ${claimed.has(message.id)}`);
  for (const group of byOpenGroups.values()) {
    const first = group[0] as LockedMessage;
    const open = (fanout.get(first.id) as readonly number[]).length;
    await markSending(
      tx,
      ctx,
      group.map((message) => message.id),
      open,
      claimed.has(first.id) ? claim : undefined,
    );
  }
  await park(
    tx,
    ctx,
    rest.filter((message) => !taken.includes(message)),
  );
  return { claimed, aside };
}

/** The first redelivery is due already here, so that a good publish needs no write to the confirm rows. */
async function insertConfirmRows(tx: Tx, ctx: StoreContext, messages: readonly LockedMessage[], fanout: Fanout): Promise<void> {
  const rows = messages.flatMap((message) =>
    (fanout.get(message.id) as readonly number[]).map((groupId): SqlValue[] => [
      message.id,
      groupId,
      message.generation,
      waitBeforeRetry(ctx.policies.redeliver, 1, ctx.random()),
    ]),
  );
  for (let start = 0; start < rows.length; start += MAX_ROWS_PER_INSERT) {
    const part = rows.slice(start, start + MAX_ROWS_PER_INSERT);
    const values = valueRows(`(?, ?, ?, ${ctx.sql.now} + ?, ${ConfirmStatus.UNCONFIRMED})`, part.length);
    await deferWrite(tx, `INSERT INTO confirm (message_id, group_id, generation, due_at, status) VALUES ${values}`, part.flat());
  }
}

/** Lock: the message rows are held. */
async function markSending(tx: Tx, ctx: StoreContext, ids: readonly number[], open: number, claim: Claim | undefined): Promise<void> {
  await deferWrite(
    tx,
    `UPDATE message SET state = ${MessageState.SENDING}, cancel_kind = ${CancelKind.NONE}, open_groups = ?, dead_groups = 0,
       lane = ${laneSql(LaneKind.PUBLISH)}, due_at = ${ctx.sql.now} + ?, claim = ?, attempts = 0,
       attention = NULL, reason = NULL, reason_detail = NULL, confirmed_at = COALESCE(confirmed_at, ${ctx.sql.now}), finished_at = NULL
     WHERE id IN (${placeholders(ids.length)})`,
    [open, claim?.leaseMs ?? 0, claim?.token ?? null, ...ids],
  );
}

async function park(tx: Tx, ctx: StoreContext, messages: readonly LockedMessage[]): Promise<void> {
  for (const [, group] of Map.groupBy(messages, (message) => `${message.topic_id} ${message.tag}`)) {
    const { topic_id, tag } = group[0] as LockedMessage;
    const { rows } = await run<{ id: number }>(tx, 'SELECT id FROM tag WHERE topic_id = ? AND name = ?', [topic_id, tag]);
    const tagId = rows[0]?.id;
    if (tagId === undefined) throw new Error(`tag "${tag}" of topic ${topic_id} has no row: it is made before a message is stored`);
    await deferWrite(
      tx,
      `UPDATE message SET state = ${MessageState.DEAD}, cancel_kind = ${CancelKind.NONE}, open_groups = 0, dead_groups = 0,
         lane = ?, due_at = ${ctx.sql.now}, claim = NULL, attention = 1, reason = '${DeadReason.NO_SUBSCRIBER}', reason_detail = NULL,
         confirmed_at = COALESCE(confirmed_at, ${ctx.sql.now}), finished_at = ${ctx.sql.now}
       WHERE id IN (${placeholders(group.length)})`,
      [laneOf(LaneKind.PARKED, tagId), ...group.map((message) => message.id)],
    );
  }
  await addEvents(
    tx,
    ctx,
    messages.map((message) => ({ messageId: message.id, kind: 'NO_SUBSCRIBER', actor: ACTOR_TPC, dead: DeadReason.NO_SUBSCRIBER })),
  );
}
