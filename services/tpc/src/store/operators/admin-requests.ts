import { run, runOnPrimary, type Tx } from '@tpc/core';
import type { StoreContext } from '../base/context.ts';

/** An operator's act by its request id (AIP-155). */
type Act = { requestId: string; act: string; subject: string };

/**
 * The answer that was given to this request before; undefined when it is new, 'other act' when the id was used for something else.
 * Index: PRIMARY of admin_request.
 */
export async function rememberedAnswer<A>(ctx: StoreContext, { requestId, act, subject }: Act): Promise<A | 'other act' | undefined> {
  const { rows } = await runOnPrimary<{ act: string; subject: string; answer: Buffer }>(
    ctx.knex,
    'SELECT act, subject, answer FROM admin_request WHERE request_id = ?',
    [requestId],
  );
  const row = rows[0];
  if (row === undefined) return undefined;
  return row.act === act && row.subject === subject ? (JSON.parse(row.answer.toString()) as A) : 'other act';
}

/**
 * Remembers the answer in the transaction of the act, as its last statement.
 * @throws the database's duplicate error when the same request was first
 */
export async function rememberAct(tx: Tx, ctx: StoreContext, { requestId, act, subject }: Act, answer: unknown): Promise<void> {
  await run(tx, `INSERT INTO admin_request (request_id, act, subject, answer, at) VALUES (?, ?, ?, ?, ${ctx.sql.now})`, [
    requestId,
    act,
    subject,
    Buffer.from(JSON.stringify(answer)),
  ]);
}
