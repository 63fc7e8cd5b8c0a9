import { classifySqlError, placeholders, run, type Tx } from '@tpc/core';
import { CancelKind, DeadReason, MessageState } from '../../domain/states.ts';
import type { StoreContext } from '../base/context.ts';
import { ACTOR_TPC, addEvents, type NewEvent } from '../base/message-events.ts';
import { isKeyTaken } from '../base/retrying.ts';

/**
 * A message that was never sent has no copies (rows in `confirm`). Where some stand at its id all the same, they belong to a message that is lost: the
 * tables were restored to different times, and ids are given out again. Nobody looks for them on the ordinary way. The insert of the message's own
 * copies meets them as a duplicate; the work then runs once more, and this time looks for them. A message that has some is set aside: DEAD
 * with the reason STRAY_COPIES and attention, and the others of its batch go on. The stray copies are removed with it, so that an operator's
 * resend reaches every group.
 */
export async function settingStraysAside<T>(ctx: StoreContext, work: (ctx: StoreContext) => Promise<T>): Promise<T> {
  try {
    return await work(ctx);
  } catch (error) {
    if (classifySqlError(error) !== 'duplicate' || isKeyTaken(error)) throw error;
    const strays = new Set<string>();
    const done = await work({ ...ctx, strays });
    ctx.observer.onStrayCopies([...strays]);
    return done;
  }
}

type Unsent = { id: number; message_key: string };

/**
 * Sets aside those of the messages that have stray copies. Lock: the message rows are held. Index: PRIMARY of confirm.
 * @param messages none of them was ever sent
 * @returns ids of what was set aside
 */
export async function setStraysAside(tx: Tx, ctx: StoreContext, messages: readonly Unsent[]): Promise<ReadonlySet<number>> {
  if (ctx.strays === undefined || messages.length === 0) return new Set();
  const { rows } = await run<{ id: number; copies: number }>(
    tx,
    `SELECT message_id AS id, COUNT(*) AS copies FROM confirm WHERE message_id IN (${placeholders(messages.length)}) GROUP BY message_id`,
    messages.map(({ id }) => id),
  );
  if (rows.length === 0) return new Set();
  const ids = rows.map(({ id }) => id);
  await run(tx, `DELETE FROM confirm WHERE message_id IN (${placeholders(ids.length)})`, ids);
  await run(
    tx,
    `UPDATE message SET state = ${MessageState.DEAD}, cancel_kind = ${CancelKind.NONE}, open_groups = 0, dead_groups = 0, lane = NULL, due_at = NULL,
       claim = NULL, attention = 1, reason = '${DeadReason.STRAY_COPIES}', reason_detail = NULL,
       confirmed_at = COALESCE(confirmed_at, ${ctx.sql.now}), finished_at = ${ctx.sql.now}
     WHERE id IN (${placeholders(ids.length)})`,
    ids,
  );
  const events = rows.map(
    ({ id, copies }): NewEvent => ({
      messageId: id,
      kind: 'STRAY_COPIES',
      actor: ACTOR_TPC,
      detail: `${copies} removed`,
      dead: DeadReason.STRAY_COPIES,
    }),
  );
  await addEvents(tx, ctx, events);
  const aside = new Set(ids);
  for (const { id, message_key } of messages) if (aside.has(id)) ctx.strays.add(message_key);
  return aside;
}
