import { dialectOf, type Opening, placeholders, run } from '@tpc/core';
import type { Knex } from 'knex';
import type { ClaimedRow } from '../domain/inbox-row.ts';
import { InboxState, ReportKind } from '../domain/states.ts';
import { FencedError, reasonCode } from '../errors.ts';
import { byGeneration } from './by-generation.ts';

/**
 * The fenced mark: the handler's rows and this commit together. Guarded by token and state, so it matches no row that another instance has
 * taken over or finished. First statement of a handler's transaction; holds the rows' locks until its end. Primary key. Its check throws FencedError
 * when one of the rows is not marked. What was due to be reported before stays so: a later time would change the index for every message.
 */
export function openByMark(db: Knex, group: string, rows: readonly ClaimedRow[], reportAfterMs: number): Opening {
  const { now } = dialectOf(db);
  const statements = byGeneration(rows).map(({ where, params, rows: members }) => {
    const tokens = [...new Set(members.map((row) => row.claim))];
    return {
      sql: `UPDATE tpc_inbox SET state = ?, attempts = attempts + 1, lone_claims = 0, claim = NULL, due_at = NULL, finished_at = ${now}, reason = '',
last_error = '', report_kind = ?, report_due_at = CASE WHEN report_due_at < ${now} + ? THEN report_due_at ELSE ${now} + ? END, report_attempts = 0
WHERE consumer_group = ? AND ${where} AND state = ? AND claim IN (${placeholders(tokens.length)})`,
      params: [InboxState.CONSUMED, ReportKind.CONSUMED, reportAfterMs, reportAfterMs, group, ...params, InboxState.RECEIVED, ...tokens],
    };
  });
  return {
    statements,
    check(affected) {
      if (affected.reduce((sum, count) => sum + count, 0) !== rows.length) throw new FencedError();
    },
  };
}

/** Whether the mark that the transaction began with is still there. Primary key. */
export async function markStands(tx: Knex.Transaction, group: string, rows: readonly ClaimedRow[]): Promise<boolean> {
  let marked = 0;
  for (const { where, params } of byGeneration(rows)) {
    const sql = `SELECT COUNT(*) AS marked FROM tpc_inbox WHERE consumer_group = ? AND ${where} AND state = ?`;
    const { rows: found } = await run<{ marked: number }>(tx, sql, [group, ...params, InboxState.CONSUMED]);
    marked += Number(found[0]?.marked);
  }
  return marked === rows.length;
}

const FENCE = 'consumer_group = ? AND message_key = ? AND generation = ? AND state = ? AND claim = ?';
const fence = (group: string, row: ClaimedRow) => [group, row.messageKey, row.generation, InboxState.RECEIVED, row.claim] as const;

/** Gives the row back until its next try. @returns false when it is another's by now, or was consumed after all */
export async function markRetry(
  db: Knex | Knex.Transaction,
  group: string,
  row: ClaimedRow,
  outcome: { waitMs: number; error: string },
): Promise<boolean> {
  const { now } = dialectOf(db);
  const { affected } = await run(
    db,
    `UPDATE tpc_inbox SET attempts = attempts + 1, lone_claims = 0, claim = NULL, due_at = ${now} + ?, last_error = ? WHERE ${FENCE}`,
    [outcome.waitMs, outcome.error, ...fence(group, row)],
  );
  return affected === 1;
}

/** Ends the row with its reason, to be reported. @returns false when it is another's by now, or was consumed after all */
export async function markDead(
  db: Knex | Knex.Transaction,
  group: string,
  row: ClaimedRow,
  outcome: { reason: string; detail: string; reportAfterMs: number },
): Promise<boolean> {
  const { now } = dialectOf(db);
  const { affected } = await run(
    db,
    `UPDATE tpc_inbox SET state = ?, attempts = attempts + 1, lone_claims = 0, claim = NULL, due_at = NULL, finished_at = ${now}, reason = ?,
last_error = ?, report_kind = ?, report_due_at = ${now} + ?, report_attempts = 0 WHERE ${FENCE}`,
    [InboxState.DEAD, reasonCode(outcome.reason), outcome.detail, ReportKind.FAILED, outcome.reportAfterMs, ...fence(group, row)],
  );
  return affected === 1;
}

/** Gives rows back that were claimed and never begun: due at once, for anyone. */
export async function releaseRows(db: Knex, group: string, rows: readonly ClaimedRow[]): Promise<void> {
  const { now } = dialectOf(db);
  for (const { where, params, rows: members } of byGeneration(rows)) {
    const tokens = [...new Set(members.map((row) => row.claim))];
    await run(
      db,
      `UPDATE tpc_inbox SET claim = NULL, due_at = ${now} WHERE consumer_group = ? AND ${where} AND state = ? AND claim IN (${placeholders(tokens.length)})`,
      [group, ...params, InboxState.RECEIVED, ...tokens],
    );
  }
}

/** Notes how many effects a claimed row has, and moves its lease on. @returns false when it is another's by now */
export async function markPlanned(
  tx: Knex.Transaction,
  group: string,
  row: ClaimedRow,
  plan: { openEffects: number; leaseMs: number },
): Promise<boolean> {
  const { now } = dialectOf(tx);
  const { affected } = await run(tx, `UPDATE tpc_inbox SET open_effects = ?, due_at = ${now} + ? WHERE ${FENCE}`, [
    plan.openEffects,
    plan.leaseMs,
    ...fence(group, row),
  ]);
  return affected === 1;
}

/** Moves a claimed row's lease on while its effects are under way. @returns false when it is another's by now */
export async function renewLease(db: Knex | Knex.Transaction, group: string, row: ClaimedRow, leaseMs: number): Promise<boolean> {
  const { now } = dialectOf(db);
  const { affected } = await run(db, `UPDATE tpc_inbox SET due_at = ${now} + ? WHERE ${FENCE}`, [leaseMs, ...fence(group, row)]);
  return affected === 1;
}
