import type { Context } from '@opentelemetry/api';
import { dialectOf, inTransaction, run, type StoredTrace } from '@tpc/core';
import type { Knex } from 'knex';
import type { InboxKey } from '../inbox-row.ts';
import type { ReportKind } from '../states.ts';
import { byGeneration } from './by-generation.ts';

/** What TPC must hear about one delivery. */
export type Report = InboxKey & {
  kind: ReportKind;
  /** Of a failure. */
  reason: string;
  detail: string;
  /** Under what it is reported: the span of the work, or after a restart what the row holds. */
  trace?: Context | StoredTrace | undefined;
};

/** Longest time until a report that TPC refuses is tried again, milliseconds. */
const MAX_REFUSED_WAIT_MS = 600_000;

/**
 * Claims reports that are due, and moves them on, so that each is repeated by one instance at a time. Index tpc_inbox_report_due.
 */
export async function claimDueReports(db: Knex, args: { group: string; limit: number; repeatMs: number }): Promise<Report[]> {
  const { now, forUpdateSkipLocked } = dialectOf(db);
  return inTransaction(db, async (tx) => {
    const { rows } = await run<
      { message_key: string; generation: number; report_kind: ReportKind; reason: string; last_error: string } & StoredTrace
    >(
      tx,
      `SELECT message_key, generation, report_kind, reason, last_error, traceparent, tracestate FROM tpc_inbox
WHERE report_due_at <= ${now} AND consumer_group = ? ORDER BY report_due_at LIMIT ?${forUpdateSkipLocked}`,
      [args.group, args.limit],
    );
    const reports = rows.map((row) => ({
      messageKey: row.message_key,
      generation: row.generation,
      kind: row.report_kind,
      reason: row.reason,
      detail: row.last_error,
      trace: { traceparent: row.traceparent, tracestate: row.tracestate },
    }));
    for (const { where, params } of byGeneration(reports)) {
      await run(tx, `UPDATE tpc_inbox SET report_due_at = ${now} + ? WHERE consumer_group = ? AND ${where}`, [args.repeatMs, args.group, ...params]);
    }
    return reports;
  });
}

/** Notes that TPC has heard these, unless there is more to tell by now. Primary key. */
export async function markReported(db: Knex, group: string, kind: ReportKind, keys: readonly InboxKey[]): Promise<void> {
  const { now } = dialectOf(db);
  for (const { where, params } of byGeneration(keys)) {
    await run(
      db,
      `UPDATE tpc_inbox SET report_due_at = NULL, reported_kind = ?, reported_at = ${now} WHERE consumer_group = ? AND ${where} AND report_kind = ?`,
      [kind, group, ...params, kind],
    );
  }
}

/** Repeats refused reports ever more slowly: a refusal is a fault that only a person can mend. Primary key. */
export async function markRefused(db: Knex, group: string, kind: ReportKind, keys: readonly InboxKey[], repeatMs: number): Promise<void> {
  const { now } = dialectOf(db);
  for (const { where, params } of byGeneration(keys)) {
    await run(
      db,
      `UPDATE tpc_inbox SET report_due_at = ${now} + CASE WHEN ? * (report_attempts + 1) < ? THEN ? * (report_attempts + 1) ELSE ? END,
report_attempts = report_attempts + 1
WHERE consumer_group = ? AND ${where} AND report_kind = ?`,
      [repeatMs, MAX_REFUSED_WAIT_MS, repeatMs, MAX_REFUSED_WAIT_MS, group, ...params, kind],
    );
  }
}
