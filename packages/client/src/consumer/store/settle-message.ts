import { dialectOf, run } from '@tpc/core';
import type { Knex } from 'knex';
import { decideSettledMessage, type SettledMessage } from '../domain/decide-outcome.ts';
import type { InboxKey } from '../domain/inbox-row.ts';
import { EffectState, InboxState, ReportKind } from '../domain/states.ts';
import { reasonCode } from '../errors.ts';
import { type EffectSettlement, readEffects, settleEffect } from './effects.ts';

const PK = 'consumer_group = ? AND message_key = ? AND generation = ?';

/**
 * Locks a message's inbox row and tells where it stands. Whoever settles an effect does this first, so two that settle the last two effects at
 * once cannot both miss the end. Primary key.
 */
async function lockInboxRow(tx: Knex.Transaction, group: string, key: InboxKey): Promise<{ state: number; openEffects: number } | undefined> {
  const { rows } = await run<{ state: number; open_effects: number }>(
    tx,
    `SELECT state, open_effects FROM tpc_inbox WHERE ${PK}${dialectOf(tx).forUpdate}`,
    [group, key.messageKey, key.generation],
  );
  const row = rows[0];
  return row && { state: row.state, openEffects: row.open_effects };
}

/**
 * Settles one effect, and with the last one the message: consumed, or dead with the reasons. A message that was dead is consumed after all when a
 * late effect turns out done.
 * @param effect its key and what became of it; `siblings`: how many effects the message has in all
 * @returns what became of the message, undefined while effects are open or when it had ended before
 */
export async function settleEffectAndMessage(
  tx: Knex.Transaction,
  group: string,
  key: InboxKey,
  effect: { effectKey: string; settlement: EffectSettlement; siblings: number },
  reportAfterMs: number,
): Promise<SettledMessage | undefined> {
  const inbox = await lockInboxRow(tx, group, key);
  if (inbox === undefined) return undefined;
  const settled = await settleEffect(tx, group, key, effect.effectKey, effect.settlement);
  const open = inbox.openEffects - settled;
  if (open === 0 && inbox.state !== InboxState.CONSUMED) {
    // Of a message with one effect, what was just written is all there is to read.
    const alone = effect.siblings === 1 && settled === 1;
    const effects = alone ? [asRow(effect.effectKey, effect.settlement)] : (await readEffects(tx, group, key)).effects;
    const end = decideSettledMessage(effects);
    if (inbox.state === InboxState.RECEIVED || end.kind === 'consumed') {
      await endMessage(tx, group, key, end, reportAfterMs);
      return end;
    }
  }
  if (settled > 0) await run(tx, `UPDATE tpc_inbox SET open_effects = ? WHERE ${PK}`, [open, group, key.messageKey, key.generation]);
  return undefined;
}

function asRow(effectKey: string, settlement: EffectSettlement) {
  const failure = settlement.state === EffectState.DONE ? { reason: '', detail: '' } : settlement;
  return { effectKey, state: settlement.state, reason: failure.reason, error: failure.detail };
}

/** Writes the end of a message; the caller holds its row. */
async function endMessage(tx: Knex.Transaction, group: string, key: InboxKey, end: SettledMessage, reportAfterMs: number): Promise<void> {
  const { now } = dialectOf(tx);
  const dead = end.kind === 'dead';
  await run(
    tx,
    `UPDATE tpc_inbox SET state = ?, attempts = attempts + 1, lone_claims = 0, open_effects = 0, claim = NULL, due_at = NULL, finished_at = ${now}, reason = ?,
last_error = ?, report_kind = ?, report_due_at = ${now} + ?, report_attempts = 0 WHERE ${PK}`,
    [
      dead ? InboxState.DEAD : InboxState.CONSUMED,
      dead ? reasonCode(end.reason) : '',
      dead ? end.detail : '',
      dead ? ReportKind.FAILED : ReportKind.CONSUMED,
      reportAfterMs,
      group,
      key.messageKey,
      key.generation,
    ],
  );
}
