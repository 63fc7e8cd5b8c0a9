import { dialectOf, placeholders, type Queryable, run, type Sql, type SqlValue } from '@tpc/core';
import type { Knex } from 'knex';
import { OUTBOX_ACKNOWLEDGED, OUTBOX_PENDING, OUTBOX_ROLLED_BACK } from '../domain/outbox-state.ts';
import { type ContentRow, fromRow, type OutboxContent, toRow } from '../outbox/content-codec.ts';

type Db = Knex | Knex.Transaction | Queryable;

const CONTENT_COLUMNS = 'message_key, topic, tag, body, content_type, headers, send_type, traceparent, tracestate';

/**
 * Inserts the outbox row of an event, in the business transaction. From here on the key is locked until that ends. The row is due at once for
 * the sweeper after `firstWaitMs`, so that a crash right after COMMIT needs nothing else.
 */
export async function insertOutboxRow(tx: Knex.Transaction, group: string, content: OutboxContent, firstWaitMs: number): Promise<void> {
  const { now } = dialectOf(tx);
  const row = toRow(content);
  const values = [...Object.values(row), group, OUTBOX_PENDING, firstWaitMs] as SqlValue[];
  await run(
    tx,
    `INSERT INTO tpc_outbox (${Object.keys(row).join(', ')}, producer_group, state, created_at, due_at) VALUES (${placeholders(10)}, ?, ${now}, ${now} + ?)`,
    values,
  );
}

/** The row of a key with its state, as the transaction sees it; by primary key. */
export async function readOutboxRow(db: Db, key: string): Promise<{ state: number; content: OutboxContent } | undefined> {
  const { rows } = await run<ContentRow & { state: number }>(db, `SELECT state, ${CONTENT_COLUMNS} FROM tpc_outbox WHERE message_key = ?`, [key]);
  return rows[0] === undefined ? undefined : { state: rows[0].state, content: fromRow(rows[0]) };
}

/** How the last look before COMMIT begins. */
export const LAST_LOOK = 'SELECT COUNT(*) = ? AS complete FROM tpc_outbox';

/** Looks whether each of the keys has a row: 1, else 0. By primary key. */
export function verifyBeforeCommit(keys: readonly string[]): Sql {
  return { sql: `${LAST_LOOK} WHERE message_key IN (${placeholders(keys.length)}) AND state = ?`, params: [keys.length, ...keys, OUTBOX_PENDING] };
}

/** TPC has the commit durably: the row needs no more work. A fact, so guarded by the state only. @returns rows that were pending */
export async function acknowledgeOutboxRows(db: Db, keys: readonly string[], reason = ''): Promise<number> {
  const sql = `UPDATE tpc_outbox SET state = ?, settled_at = ${dialectOf(db).now}, due_at = NULL, claim = NULL, reason = ?
    WHERE message_key IN (${placeholders(keys.length)}) AND state = ?`;
  return (await run(db, sql, [OUTBOX_ACKNOWLEDGED, reason, ...[...keys].sort(), OUTBOX_PENDING])).affected;
}

/** What the row of a key says: its state, or that another producer group wrote it. */
export type OutboxState = number | 'of another group';

type StateRow = { message_key: string; producer_group: string; state: number };

/** A row that names no group is an older one, of any group that is asked about its key. */
function stateFor(group: string, row: StateRow): OutboxState {
  return row.producer_group === group || row.producer_group === '' ? row.state : 'of another group';
}

/** States of those keys that have a committed row, as `group` sees them; reads without locks. */
export async function readOutboxStates(tx: Knex.Transaction | Queryable, group: string, keys: readonly string[]): Promise<Map<string, OutboxState>> {
  const sql = `SELECT message_key, producer_group, state FROM tpc_outbox WHERE message_key IN (${placeholders(keys.length)})`;
  const { rows } = await run<StateRow>(tx, sql, keys);
  return new Map(rows.map((row) => [row.message_key, stateFor(group, row)]));
}

/** State of one row as `group` sees it, without waiting for a transaction that holds it: then it throws an error of kind `locked`. */
export async function lockOutboxState(tx: Knex.Transaction | Queryable, group: string, key: string): Promise<OutboxState | undefined> {
  const sql = `SELECT message_key, producer_group, state FROM tpc_outbox WHERE message_key = ?${dialectOf(tx).forUpdateNowait}`;
  const row = (await run<StateRow>(tx, sql, [key])).rows[0];
  return row && stateFor(group, row);
}

/** The barrier: takes the key, so that a business transaction that comes late fails at its outbox insert. */
export async function insertBarrier(tx: Knex.Transaction | Queryable, group: string, key: string): Promise<void> {
  const { now } = dialectOf(tx);
  const sql = `INSERT INTO tpc_outbox (message_key, producer_group, state, created_at, settled_at) VALUES (?, ?, ?, ${now}, ${now})`;
  await run(tx, sql, [key, group, OUTBOX_ROLLED_BACK]);
}
