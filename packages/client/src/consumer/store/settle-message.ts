import { dialectOf, run } from '@tpc/core';
import type { Knex } from 'knex';
import { decideSettledMessage, type SettledMessage } from '../decide-outcome.ts';
import { reasonCode } from '../errors.ts';
import type { InboxKey } from '../inbox-row.ts';
import { InboxState, ReportKind } from '../states.ts';
import { type EffectSettlement, readEffects, settleEffect } from './effects.ts';

const PK = 'consumer_group = ? AND message_key = ? AND generation = ?';

/**
 * Locks a message's inbox row and tells where it stands. Whoever settles an effect does this first, so two that settle the last two effects at
 * once cannot both miss the end. Primary key.
 */
export async function lockInboxRow(
  tx: Knex.Transaction,
  group: string,
  key: InboxKey,
): Promise<{ state: number; claim: string | null; openEffects: number } | undefined> {
  const { rows } = await run<{ state: number; claim: string | null; open_effects: number }>(
    tx,
    `SELECT state, claim, open_effects FROM tpc_inbox WHERE ${PK}${dialectOf(tx).forUpdate}`,
    [group, key.messageKey, key.generation],
  );
  const row = rows[0];
  return row && { state: row.state, claim: row.claim, openEffects: row.open_effects };
}

/**
 * Settles one effect, and with the last one the message: consumed, or dead with the reasons.
 * @returns what became of the message, undefined while effects are open or when it had ended before
 */
export async function settleEffectAndMessage(
  tx: Knex.Transaction,
  group: string,
  key: InboxKey,
  effectKey: string,
  settlement: EffectSettlement,
  reportAfterMs: number,
): Promise<SettledMessage | undefined> {
  const inbox = await lockInboxRow(tx, group, key);
  if (inbox === undefined) return undefined;
  const settled = await settleEffect(tx, group, key, effectKey, settlement);
  await run(tx, `UPDATE tpc_inbox SET open_effects = open_effects - ? WHERE ${PK}`, [settled, group, key.messageKey, key.generation]);
  return inbox.openEffects - settled > 0 ? undefined : settleMessage(tx, group, key, inbox.state, reportAfterMs);
}

/** Ends a message whose effects are all settled. A message that was dead is consumed after all when a late effect turns out done. */
async function settleMessage(
  tx: Knex.Transaction,
  group: string,
  key: InboxKey,
  state: number,
  reportAfterMs: number,
): Promise<SettledMessage | undefined> {
  if (state === InboxState.CONSUMED) return undefined;
  const { effects } = await readEffects(tx, group, key);
  const end = decideSettledMessage(effects);
  if (state === InboxState.DEAD && end.kind === 'dead') return undefined;
  await endMessage(tx, group, key, end, reportAfterMs);
  return end;
}

/** Writes the end of a message; the caller holds its row. */
export async function endMessage(tx: Knex.Transaction, group: string, key: InboxKey, end: SettledMessage, reportAfterMs: number): Promise<void> {
  const { now } = dialectOf(tx);
  const dead = end.kind === 'dead';
  await run(
    tx,
    `UPDATE tpc_inbox SET state = ?, attempts = attempts + 1, lone_claims = 0, claim = NULL, due_at = NULL, finished_at = ${now}, reason = ?,
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
