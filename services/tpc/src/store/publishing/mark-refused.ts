import { placeholders, run, type Tx } from '@tpc/core';
import { DeadReason, MessageState } from '../../domain/states.ts';
import type { StoreContext } from '../base/context.ts';
import { ACTOR_TPC, addEvents, type NewEvent } from '../base/message-events.ts';

/**
 * Makes messages DEAD that the broker refuses for good; their groups' rows stay open, for a resend, but are not due any more.
 * Lock: the caller holds the message rows.
 */
export async function markRefused(tx: Tx, ctx: StoreContext, refused: readonly { messageId: number; detail?: string }[]): Promise<void> {
  for (const { messageId, detail } of refused) {
    await run(
      tx,
      `UPDATE message SET state = ${MessageState.DEAD}, lane = NULL, due_at = NULL, claim = NULL, attention = 1,
         reason = '${DeadReason.BROKER_REFUSED}', reason_detail = ?, finished_at = ${ctx.sql.now}
       WHERE id = ?`,
      [(detail ?? '').slice(0, 1024), messageId],
    );
  }
  const ids = [...new Set(refused.map((entry) => entry.messageId))];
  if (ids.length === 0) return;
  await run(tx, `UPDATE confirm SET due_at = NULL, claim = NULL, overdue = 0 WHERE message_id IN (${placeholders(ids.length)})`, ids);
  const events = refused.map((entry): NewEvent => ({ ...entry, kind: 'BROKER_REFUSED', actor: ACTOR_TPC, dead: DeadReason.BROKER_REFUSED }));
  await addEvents(tx, ctx, events);
}
