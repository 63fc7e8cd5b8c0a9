import { dialectOf, inPacketTransaction, placeholders, run, type SqlValue, type Tx } from '@tpc/core';
import type { Knex } from 'knex';
import { ClaimNotRead } from '../../claim-not-read.ts';
import { OUTBOX_PENDING } from '../domain/outbox-state.ts';
import { type ContentRow, fromRow, type OutboxContent } from '../outbox/content-codec.ts';

export type ClaimedRow = {
  content: OutboxContent;
  /** Tries so far, this one included. */
  attempts: number;
};

export type ClaimOptions = {
  /** Whose rows. */
  group: string;
  /** Known beforehand, so that a claim whose answer was lost is still found. */
  token: string;
  maxCount: number;
  /** Bodies claimed together; the first row is always taken. */
  maxBytes: number;
  leaseMs: number;
  /** Whether older rows that name no group may be taken where this is the only group of the outbox. */
  adopts: boolean;
};

export type Claimed = {
  rows: ClaimedRow[];
  /** Due rows that name no group, and that this group must not take for its own. */
  nameless: number;
};

/**
 * Takes pending rows of a group whose time has come, for `leaseMs`; others skip them so long. Rows of open transactions are locked, and skipped.
 *
 * Rows that an older library, or a service in another language, wrote without a group are taken and named: those whose key begins with the group, and
 * those with a UUID where no other group has rows here. Index tpc_outbox_due (producer_group, due_at), in one range for each group.
 */
export function claimDueRows(knex: Knex, options: ClaimOptions): Promise<Claimed> {
  const { group, token, maxBytes, leaseMs } = options;
  const { now } = dialectOf(knex);
  return inPacketTransaction(knex, async (tx) => {
    const due = await lockDue(tx, options.maxCount, { where: 'producer_group = ?', values: [group] });
    const older = due.length < options.maxCount ? await lockNameless(tx, options, options.maxCount - due.length) : NONE;
    const taken = fitting([...due, ...older.rows], maxBytes);
    if (taken.length === 0) return { rows: [], nameless: older.left };
    await run(
      tx,
      `UPDATE tpc_outbox SET claim = ?, producer_group = ?, due_at = ${now} + ?, attempts = attempts + 1
       WHERE message_key IN (${placeholders(taken.length)})`,
      [token, group, leaseMs, ...taken],
    );
    return { rows: await readClaimed(tx, taken, token), nameless: older.left };
  });
}

/** Within the claim's transaction: outside of it a replica might answer, which does not know the claim yet. @throws ClaimNotRead, and the claim is undone */
async function readClaimed(tx: Tx, keys: readonly string[], token: string): Promise<ClaimedRow[]> {
  const { rows } = await run<ContentRow & { attempts: number }>(
    tx,
    `SELECT message_key, topic, tag, body, content_type, headers, send_type, traceparent, tracestate, attempts
     FROM tpc_outbox WHERE message_key IN (${placeholders(keys.length)}) AND claim = ? AND state = ?`,
    [...keys, token, OUTBOX_PENDING],
  );
  if (rows.length !== keys.length) throw new ClaimNotRead(keys.length, rows.length);
  return rows.map((row) => ({ content: fromRow(row), attempts: row.attempts }));
}

type DueRow = { message_key: string; bytes: number | null };
type Which = { where: string; values: SqlValue[] };
const NONE = { rows: [] as DueRow[], left: 0 };

async function lockDue(tx: Tx, limit: number, { where, values }: Which): Promise<DueRow[]> {
  const { now, forUpdateSkipLocked } = dialectOf(tx);
  const { rows } = await run<DueRow>(
    tx,
    `SELECT message_key, LENGTH(body) AS bytes FROM tpc_outbox WHERE ${where} AND due_at <= ${now} ORDER BY due_at LIMIT ?${forUpdateSkipLocked}`,
    [...values, limit],
  );
  return rows;
}

/** Mostly there is none, which one look at the index says. */
async function lockNameless(tx: Tx, { group, adopts }: ClaimOptions, limit: number): Promise<{ rows: DueRow[]; left: number }> {
  const any = await run(tx, `SELECT 1 AS found FROM tpc_outbox WHERE producer_group = '' AND due_at <= ${dialectOf(tx).now} LIMIT 1`);
  if (any.rows.length === 0) return NONE;
  const named = { where: "producer_group = '' AND SUBSTR(message_key, 1, ?) = ?", values: [group.length + 1, `${group}:`] };
  const rows = await lockDue(tx, limit, named);
  const others = rows.length < limit ? await hasOtherGroups(tx, group) : false;
  const uuids = { where: "producer_group = '' AND message_key NOT LIKE '%:%'", values: [] };
  if (!others && adopts) rows.push(...(await lockDue(tx, limit - rows.length, uuids)));
  return { rows, left: others ? (await lockDue(tx, limit, uuids)).length : 0 };
}

/** Two short looks at the index, before and behind the group. */
async function hasOtherGroups(tx: Tx, group: string): Promise<boolean> {
  const { rows } = await run(
    tx,
    `SELECT (SELECT 1 FROM tpc_outbox WHERE producer_group > '' AND producer_group < ? LIMIT 1) AS before_it,
       (SELECT 1 FROM tpc_outbox WHERE producer_group > ? LIMIT 1) AS behind_it`,
    [group, group],
  );
  return Object.values(rows[0] ?? {}).some((found) => found !== null);
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
