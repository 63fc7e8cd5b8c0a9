import { deferWrite, placeholders, type Tx } from '@tpc/core';
import { DeadReason, MessageState } from '../../domain/states.ts';
import type { StoreContext } from '../base/context.ts';
import { Attention, attentionOfOverdue } from '../overdue/attention.ts';

/** How the counts of a message change: groups that are no longer open, and groups that died (or came back). */
export type GroupChange = { messageId: number; open: number; dead: number };

/**
 * Takes settled groups off the counts of their messages, and ends a message with its last one: FINISHED, or DEAD when a group is dead. One UPDATE
 * for each pair of changes. While a group is dead the message needs attention, also when others are still open. Lock: the caller holds the message rows.
 *
 * MariaDB assigns from left to right, SQLite uses the old values: all that looks at the counts stands before the counts change.
 */
export async function closeGroups(tx: Tx, ctx: StoreContext, changes: readonly GroupChange[]): Promise<void> {
  const byMessage = [...Map.groupBy(changes, (change) => change.messageId)].map(([messageId, parts]) => ({
    messageId,
    open: parts.reduce((sum, part) => sum + part.open, 0),
    dead: parts.reduce((sum, part) => sum + part.dead, 0),
  }));
  const real = byMessage.filter((change) => change.open !== 0 || change.dead !== 0);
  for (const group of Map.groupBy(real, (change) => `${change.open} ${change.dead}`).values()) {
    const { open, dead } = group[0] as GroupChange;
    await closeAlike(tx, ctx, { open, dead, ids: group.map((change) => change.messageId) });
  }
}

async function closeAlike(tx: Tx, ctx: StoreContext, change: { open: number; dead: number; ids: number[] }): Promise<void> {
  // Whole numbers counted by ourselves: written into the text, which stays readable that way.
  const last = `open_groups + ${change.open} <= 0`;
  const clean = `dead_groups + ${change.dead} <= 0`;
  const atEnd = (value: string, otherwise: string) => `CASE WHEN ${last} THEN ${value} ELSE ${otherwise} END`;
  const contradicted = `COALESCE(reason, '') = '${DeadReason.ROLLBACK_AFTER_COMMIT}'`;
  const failed = `COALESCE(reason, '') = '${DeadReason.GROUP_FAILED}'`;
  await deferWrite(
    tx,
    `UPDATE message SET
       attention = CASE WHEN NOT (${clean}) OR ${contradicted} THEN ${Attention.NEEDED} WHEN ${last} THEN NULL
         WHEN ${failed} THEN ${attentionOfOverdue} ELSE attention END,
       reason = CASE WHEN ${last} AND NOT (${clean}) THEN '${DeadReason.GROUP_FAILED}' WHEN ${contradicted} THEN reason
         WHEN NOT (${clean}) THEN COALESCE(reason, '${DeadReason.GROUP_FAILED}') WHEN ${last} OR ${failed} THEN NULL ELSE reason END,
       reason_detail = ${atEnd('NULL', 'reason_detail')},
       published_at = ${atEnd(`COALESCE(published_at, ${ctx.sql.now})`, 'published_at')},
       publishes = CASE WHEN ${last} AND publishes = 0 THEN 1 ELSE publishes END,
       finished_at = ${atEnd(ctx.sql.now, 'finished_at')},
       lane = ${atEnd('NULL', 'lane')}, due_at = ${atEnd('NULL', 'due_at')}, claim = ${atEnd('NULL', 'claim')},
       state = ${atEnd(`CASE WHEN ${clean} THEN ${MessageState.FINISHED} ELSE ${MessageState.DEAD} END`, 'state')},
       open_groups = open_groups + ${change.open}, dead_groups = dead_groups + ${change.dead}
     WHERE id IN (${placeholders(change.ids.length)}) AND state IN (${MessageState.SENDING}, ${MessageState.DEAD})`,
    change.ids,
  );
}
