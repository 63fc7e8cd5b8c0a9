import type { Context } from '@opentelemetry/api';
import { dialectOf, inPacketTransaction, run, type SqlValue, type StoredTrace } from '@tpc/core';
import type { Knex } from 'knex';
import type { InboxKey } from '../domain/inbox-row.ts';
import type { ReportKind } from '../domain/states.ts';
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
export const MAX_REFUSED_WAIT_MS = 600_000;

/**
 * Claims reports that are due, and moves them on, so that each is repeated by one instance at a time. Index tpc_inbox_report_due.
 */
export async function claimDueReports(db: Knex, args: { group: string; limit: number; repeatMs: number }): Promise<Report[]> {
  const { now, forUpdateSkipLocked } = dialectOf(db);
  return inPacketTransaction(db, async (tx) => {
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

/** Notes that TPC has heard these, unless there is more to tell by now. */
export function markReported(db: Knex, group: string, kind: ReportKind, keys: readonly InboxKey[]): Promise<void> {
  const set = `report_due_at = NULL, reported_kind = ?, reported_at = ${dialectOf(db).now}`;
  return noteAnswers(db, { group, kind, keys }, { set, params: [kind] });
}

/** Repeats refused reports ever more slowly: a refusal is a fault that only a person can mend. */
export function markRefused(db: Knex, group: string, kind: ReportKind, keys: readonly InboxKey[], repeatMs: number): Promise<void> {
  const set = `report_due_at = ${dialectOf(db).now} + CASE WHEN ? * (report_attempts + 1) < ? THEN ? * (report_attempts + 1) ELSE ? END,
report_attempts = report_attempts + 1`;
  return noteAnswers(db, { group, kind, keys }, { set, params: [repeatMs, MAX_REFUSED_WAIT_MS, repeatMs, MAX_REFUSED_WAIT_MS] });
}

/**
 * Writes TPC's answer into the rows that nobody holds. A row that a handler holds is passed over, since its handler may run for minutes, and those who need
 * the other rows would wait as long: its report is repeated when it is due, where there is not more to tell by then. Primary key.
 */
async function noteAnswers(
  db: Knex,
  { group, kind, keys }: { group: string; kind: ReportKind; keys: readonly InboxKey[] },
  { set, params: values }: { set: string; params: readonly SqlValue[] },
): Promise<void> {
  if (keys.length === 0) return;
  await inPacketTransaction(db, async (tx) => {
    const free: InboxKey[] = [];
    for (const { where, params } of byGeneration(keys)) {
      const { rows } = await run<{ message_key: string; generation: number }>(
        tx,
        `SELECT message_key, generation FROM tpc_inbox WHERE consumer_group = ? AND ${where} AND report_kind = ?${dialectOf(tx).forUpdateSkipLocked}`,
        [group, ...params, kind],
      );
      free.push(...rows.map((row) => ({ messageKey: row.message_key, generation: row.generation })));
    }
    for (const { where, params } of byGeneration(free)) {
      await run(tx, `UPDATE tpc_inbox SET ${set} WHERE consumer_group = ? AND ${where}`, [...values, group, ...params]);
    }
  });
}
