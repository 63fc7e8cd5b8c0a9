import { dialectOf, inTransaction, placeholders, run } from '@tpc/core';
import type { Knex } from 'knex';
import { ClaimNotRead } from '../../claim-not-read.ts';
import { type ContentRow, fromRow, type OutboxContent } from '../content-codec.ts';
import { OUTBOX_PENDING } from '../domain/outbox-state.ts';

export type ClaimedRow = {
  content: OutboxContent;
  /** Tries so far, this one included. */
  attempts: number;
};

export type ClaimOptions = {
  /** Known beforehand, so that a claim whose answer was lost is still found. */
  token: string;
  maxCount: number;
  /** Bodies claimed together; the first row is always taken. */
  maxBytes: number;
  leaseMs: number;
};

/**
 * Takes pending rows whose time has come, for `leaseMs`; others skip them so long. Rows of open transactions are locked, and skipped.
 * Index tpc_outbox_due.
 */
export async function claimDueRows(knex: Knex, { token, maxCount, maxBytes, leaseMs }: ClaimOptions): Promise<ClaimedRow[]> {
  const { now, forUpdateSkipLocked } = dialectOf(knex);
  return inTransaction(knex, async (tx) => {
    const due = await run<{ message_key: string; bytes: number | null }>(
      tx,
      `SELECT message_key, LENGTH(body) AS bytes FROM tpc_outbox WHERE due_at <= ${now} ORDER BY due_at LIMIT ?${forUpdateSkipLocked}`,
      [maxCount],
    );
    const taken = fitting(due.rows, maxBytes);
    if (taken.length === 0) return [];
    await run(
      tx,
      `UPDATE tpc_outbox SET claim = ?, due_at = ${now} + ?, attempts = attempts + 1 WHERE message_key IN (${placeholders(taken.length)})`,
      [token, leaseMs, ...taken],
    );
    return readClaimed(tx, taken, token);
  });
}

/** Within the claim's transaction: outside of it a replica might answer, which does not know the claim yet. @throws ClaimNotRead, and the claim is undone */
async function readClaimed(tx: Knex.Transaction, keys: readonly string[], token: string): Promise<ClaimedRow[]> {
  const { rows } = await run<ContentRow & { attempts: number }>(
    tx,
    `SELECT message_key, topic, tag, body, content_type, headers, send_type, traceparent, tracestate, attempts
     FROM tpc_outbox WHERE message_key IN (${placeholders(keys.length)}) AND claim = ? AND state = ?`,
    [...keys, token, OUTBOX_PENDING],
  );
  if (rows.length !== keys.length) throw new ClaimNotRead(keys.length, rows.length);
  return rows.map((row) => ({ content: fromRow(row), attempts: row.attempts }));
}

/** A claimed row that could not be sent; due again after `waitMs`. */
export type FailedRow = { key: string; waitMs: number; error: string };

/** Gives claimed rows back, each due after its own wait. Fenced by the token: a row that another has claimed since is left alone. */
export async function rescheduleRows(knex: Knex, token: string, rows: readonly FailedRow[]): Promise<void> {
  const { now } = dialectOf(knex);
  for (const { key, waitMs, error } of rows) {
    const sql = `UPDATE tpc_outbox SET due_at = ${now} + ?, claim = NULL, last_error = ? WHERE message_key = ? AND claim = ? AND state = ?`;
    await run(knex, sql, [waitMs, error.slice(0, 1024), key, token, OUTBOX_PENDING]);
  }
}

function fitting(rows: readonly { message_key: string; bytes: number | null }[], maxBytes: number): string[] {
  const keys: string[] = [];
  let bytes = 0;
  for (const row of rows) {
    bytes += Number(row.bytes ?? 0);
    if (keys.length > 0 && bytes > maxBytes) break;
    keys.push(row.message_key);
  }
  return keys;
}
