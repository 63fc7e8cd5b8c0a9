import { runOnPrimary } from '@tpc/core';
import { timelineOf } from '../../domain/timeline.ts';
import type { Db, StoreContext } from '../base/context.ts';
import type { ConfirmRow, MessageDetail, MessageRow, TimelineEntry } from '../store-types.ts';
import { MESSAGE_COLUMNS, MESSAGE_JOINS, type StoredConfirm, type StoredMessage, toConfirmRow, toMessageRow } from './message-row.ts';

/** One message with everything about it (Store.getMessage). Index: UNIQUE (message_key), PRIMARY of confirm, message_event_message. */
export async function getMessage(ctx: StoreContext, messageKey: string, options: { includeBody: boolean }): Promise<MessageDetail | undefined> {
  return ctx.retry(async () => {
    const message = await readMessageRow(ctx.knex, messageKey);
    if (message === undefined) return undefined;
    const confirms = await readConfirmRows(ctx.knex, message.id);
    const events = await readEvents(ctx.knex, message.id);
    const body = options.includeBody ? await readBody(ctx.knex, message.id) : undefined;
    return { message, confirms, timeline: timelineOf(message, confirms, events), body };
  });
}

export async function readMessageRow(db: Db, messageKey: string): Promise<MessageRow | undefined> {
  const { rows } = await runOnPrimary<StoredMessage>(db, `SELECT ${MESSAGE_COLUMNS} FROM message m ${MESSAGE_JOINS} WHERE m.message_key = ?`, [
    messageKey,
  ]);
  return rows[0] === undefined ? undefined : toMessageRow(rows[0]);
}

async function readConfirmRows(db: Db, messageId: number): Promise<ConfirmRow[]> {
  const { rows } = await runOnPrimary<StoredConfirm>(
    db,
    `SELECT g.name AS consumer_group, c.status, c.dead, c.generation, c.consume_count, c.attempts, c.reason, c.reason_detail, c.received_at,
       c.consumed_at, c.due_at
     FROM confirm c JOIN consumer_group g ON g.id = c.group_id WHERE c.message_id = ? ORDER BY g.name`,
    [messageId],
  );
  return rows.map(toConfirmRow);
}

async function readEvents(db: Db, messageId: number): Promise<TimelineEntry[]> {
  const { rows } = await runOnPrimary<{ at: number; kind: string; consumer_group: string | null; actor: string; detail: string }>(
    db,
    `SELECT e.at, e.kind, g.name AS consumer_group, e.actor, e.detail
     FROM message_event e LEFT JOIN consumer_group g ON g.id = e.group_id WHERE e.message_id = ? ORDER BY e.id`,
    [messageId],
  );
  return rows.map((row) => ({ ...row, consumerGroup: row.consumer_group ?? '' })).map(({ consumer_group: _, ...entry }) => entry);
}

async function readBody(db: Db, messageId: number): Promise<Buffer | undefined> {
  const { rows } = await runOnPrimary<{ body: Buffer | null }>(db, 'SELECT body FROM message WHERE id = ?', [messageId]);
  return rows[0]?.body ?? undefined;
}
