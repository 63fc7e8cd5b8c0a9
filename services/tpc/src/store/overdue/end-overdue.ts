import { deferWrite, placeholders, type Tx } from '@tpc/core';
import type { StoreContext } from '../base/context.ts';
import { addEvents, type NewEvent } from '../base/message-events.ts';
import { Attention, attentionOfOverdue } from './attention.ts';

/** A copy that was overdue and is so no more. */
export type EndedOverdue = { messageId: number; groupId: number; actor: string };

/**
 * Says in the timelines that copies are overdue no more, and takes the mark off the messages that need no other attention. The copies' own marks are gone
 * already. Lock: the caller holds the message rows.
 */
export async function endOverdue(tx: Tx, ctx: StoreContext, ended: readonly EndedOverdue[]): Promise<void> {
  if (ended.length === 0) return;
  const ids = [...new Set(ended.map(({ messageId }) => messageId))];
  await deferWrite(
    tx,
    `UPDATE message SET attention = ${attentionOfOverdue} WHERE id IN (${placeholders(ids.length)}) AND attention = ${Attention.OVERDUE}`,
    ids,
  );
  await addEvents(
    tx,
    ctx,
    ended.map((one): NewEvent => ({ ...one, kind: 'OVERDUE_ENDED' })),
  );
}
