import {
  dialectOf,
  placeholders,
  type Queryable,
  run,
  runOnPrimary,
  runTogether,
  type Sql,
  type SqlResult,
  takesPackets,
  valueRows,
} from '@tpc/core';
import type { Knex } from 'knex';
import type { StoredRow } from '../domain/decide-arrival.ts';
import { CONTENT_COLUMNS, contentValues, type InboxKey, type InboxRow } from '../domain/inbox-row.ts';
import { InboxState, ReportKind } from '../domain/states.ts';
import { reasonCode } from '../errors.ts';

/** A row to be stored, and who may handle it first. */
export type NewInboxRow = {
  row: InboxRow;
  /** Set: this process handles it from memory, under this token. */
  claim: string | undefined;
  /** Set: a tombstone, dead from the start. */
  dead: { reason: string; detail: string } | undefined;
};

const VALUES_PER_ROW = 11;

/**
 * Stores deliveries by one plain multi-row INSERT that commits by itself; a claimed row needs no second write before it is handled.
 * All or nothing. Primary key (consumer_group, message_key, generation).
 * @returns what `readNewerRows` would, right after it
 * @throws a duplicate-key error when one of them is there already; nothing stays locked then
 */
export async function insertInbox(
  db: Knex,
  group: string,
  rows: readonly NewInboxRow[],
  times: { leaseMs: number; reportAfterMs: number },
): Promise<StoredRow[]> {
  const look = selectNewer(
    group,
    rows.map(({ row }) => row),
  );
  const insert = insertStatement(db, group, rows, times);
  // A packet that writes is the primary's as a whole.
  if (takesPackets(db)) return storedRows((await runTogether(db, [insert, look]))[1] as SqlResult<StoredColumns>);
  await run(db, insert.sql, insert.params);
  return storedRows(await runOnPrimary<StoredColumns>(db, look.sql, look.params));
}

function insertStatement(db: Knex, group: string, rows: readonly NewInboxRow[], times: { leaseMs: number; reportAfterMs: number }): Sql {
  const { now } = dialectOf(db);
  // Due now for anyone, due after the lease for a claimed row, never for a tombstone: the clock plus NULL is NULL.
  const tuple = `(?, ${placeholders(VALUES_PER_ROW)}, ?, ?, ${now} + ?, ${now}, ${now} + ?, ?, ?, ?, ${now} + ?)`;
  const params = rows.flatMap(({ row, claim, dead }) => [
    group,
    ...contentValues(row),
    dead ? InboxState.DEAD : InboxState.RECEIVED,
    claim ?? null,
    dead ? null : claim === undefined ? 0 : times.leaseMs,
    dead ? 0 : null,
    dead ? reasonCode(dead.reason) : '',
    dead ? dead.detail.slice(0, 1024) : '',
    dead ? ReportKind.FAILED : ReportKind.RECEIVED,
    times.reportAfterMs,
  ]);
  const sql = `INSERT INTO tpc_inbox (consumer_group, ${CONTENT_COLUMNS}, state, claim, due_at, received_at, finished_at, reason, last_error, report_kind,
report_due_at) VALUES ${valueRows(tuple, rows.length)}`;
  return { sql, params };
}

/** Every stored generation of these keys. Reads by primary key. */
export async function readStoredRows(db: Knex | Queryable, group: string, messageKeys: readonly string[]): Promise<StoredRow[]> {
  if (messageKeys.length === 0) return [];
  const { sql, params } = selectStored(group, messageKeys, 0);
  return storedRows(await runOnPrimary<StoredColumns>(db, sql, params));
}

/** Every stored row of these keys with a generation above the lowest of these. Reads by primary key. */
export async function readNewerRows(db: Knex, group: string, keys: readonly InboxKey[]): Promise<StoredRow[]> {
  const { sql, params } = selectNewer(group, keys);
  return storedRows(await runOnPrimary<StoredColumns>(db, sql, params));
}

function selectNewer(group: string, keys: readonly InboxKey[]): Sql {
  const lowest = Math.min(...keys.map(({ generation }) => generation));
  const names = keys.map(({ messageKey }) => messageKey);
  return selectStored(group, names, lowest + 1);
}

type StoredColumns = { message_key: string; generation: number; state: number; claim: string | null; reason: string; last_error: string };

function selectStored(group: string, messageKeys: readonly string[], fromGeneration: number): Sql {
  const sql = `SELECT message_key, generation, state, claim, reason, last_error FROM tpc_inbox
WHERE consumer_group = ? AND message_key IN (${placeholders(messageKeys.length)}) AND generation >= ?`;
  return { sql, params: [group, ...messageKeys, fromGeneration] };
}

function storedRows({ rows }: SqlResult<StoredColumns>): StoredRow[] {
  return rows.map(toStoredRow);
}

function toStoredRow({ message_key, generation, state, claim, reason, last_error }: StoredColumns): StoredRow {
  return { messageKey: message_key, generation, state, claim, reason, detail: last_error };
}
