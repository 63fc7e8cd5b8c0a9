import { afterCommit, deferWrite, type SqlValue, valueRows } from '@tpc/core';
import type { Db, StoreContext } from './context.ts';

/** Kinds of event rows: the exceptions and acts of a message's timeline. What goes the normal way is read from the columns of message and confirm. */
export type EventKind =
  | 'REVIVED'
  | 'CHECKED'
  | 'COMMIT_AFTER_ROLLBACK'
  | 'ROLLBACK_AFTER_COMMIT'
  | 'KEY_CONFLICT'
  | 'CONTENT_INVALID'
  | 'NO_SUBSCRIBER'
  | 'RESUMED'
  | 'BROKER_REFUSED'
  | 'REDELIVERED'
  | 'FAILED'
  | 'RESENT'
  | 'OVERDUE'
  | 'OVERDUE_ENDED'
  | 'SKIPPED'
  | 'STRAY_COPIES'
  | 'TAG_NOT_TAKEN';

export type NewEvent = {
  messageId: number;
  kind: EventKind;
  groupId?: number;
  actor: string;
  detail?: string;
  /** Set where the message, or the group's copy of it, becomes dead by this: its reason. For the observer only. */
  dead?: string;
};

/** TPC itself as the one who acted. */
export const ACTOR_TPC = 'tpc';

/** Longest detail that is kept, characters. */
const MAX_DETAIL = 1100;

/** What repeats by itself for ever (checks, redeliveries) leaves only its first so many rows; the counts go on. */
export const MAX_REPEATED_EVENTS = 16;

/** Adds event rows in the caller's transaction. What became dead is told to the observer once that is committed. */
export async function addEvents(db: Db, ctx: Pick<StoreContext, 'sql' | 'observer'>, events: readonly NewEvent[]): Promise<void> {
  if (events.length === 0) return;
  const reasons = events.flatMap((event) => event.dead ?? []);
  if (reasons.length > 0) tellOnceCommitted(db, ctx, reasons);
  const values = events.flatMap((event): SqlValue[] => [
    event.messageId,
    event.kind,
    event.groupId ?? null,
    event.actor,
    (event.detail ?? '').slice(0, MAX_DETAIL),
  ]);
  const rows = valueRows(`(${ctx.sql.now}, ?, ?, ?, ?, ?)`, events.length);
  await deferWrite(db, `INSERT INTO message_event (at, message_id, kind, group_id, actor, detail) VALUES ${rows}`, values);
}

function tellOnceCommitted(db: Db, { observer }: Pick<StoreContext, 'observer'>, reasons: readonly string[]): void {
  afterCommit(db, () => {
    for (const reason of reasons) observer.onDead(reason);
  });
}
