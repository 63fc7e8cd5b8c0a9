import { randomUUID } from 'node:crypto';
import { dialectOf, inTransaction, placeholders, run } from '@tpc/core';
import type { Knex } from 'knex';
import { decideArrival, decideDueRow } from '../decide-arrival.ts';
import { type ClaimedRow, type InboxColumns, type InboxKey, ROW_COLUMNS, rowOfColumns } from '../inbox-row.ts';
import { EffectState, InboxState, Reason, ReportKind } from '../states.ts';
import { byGeneration } from './by-generation.ts';
import { readStoredRows } from './insert-inbox.ts';

type KeyColumns = { message_key: string; generation: number; claim: string | null; lone_claims: number };

/**
 * Claims due rows of a topic that nobody may have died of, oldest due first. Rows whose newer generation is stored are superseded on the way.
 * Index tpc_inbox_due (consumer_group, due_at); rows that another claims at this moment are skipped, so claimers never wait.
 */
export async function claimDueRows(db: Knex, args: { group: string; topic: string; limit: number; leaseMs: number }): Promise<ClaimedRow[]> {
  const { now, forUpdateSkipLocked } = dialectOf(db);
  return inTransaction(db, async (tx) => {
    const due = await run<KeyColumns>(
      tx,
      `SELECT message_key, generation FROM tpc_inbox
WHERE consumer_group = ? AND due_at <= ${now} AND topic = ? AND claim IS NULL ORDER BY due_at LIMIT ?${forUpdateSkipLocked}`,
      [args.group, args.topic, args.limit],
    );
    const current = await supersedeOlder(tx, args.group, due.rows.map(keyOf));
    return takeOver(tx, { ...args, keys: current, lone: false });
  });
}

/**
 * Whether a due row has lost its process. A row whose handler still runs is locked by its transaction, however long that takes, and does not count.
 * Index tpc_inbox_due; holds no lock afterwards.
 */
export async function hasLoneRow(db: Knex, group: string, topics: readonly string[]): Promise<boolean> {
  const { now, forUpdateSkipLocked } = dialectOf(db);
  const look = async (reader: Knex, lock: string) => {
    const { rows } = await run(
      reader,
      `SELECT 1 AS found FROM tpc_inbox
WHERE consumer_group = ? AND due_at <= ${now} AND topic IN (${placeholders(topics.length)}) AND claim IS NOT NULL LIMIT 1${lock}`,
      [group, ...topics],
    );
    return rows.length > 0;
  };
  // Nearly always there is none, which costs one statement.
  return (await look(db, '')) && inTransaction(db, (tx) => look(tx, forUpdateSkipLocked));
}

export type LoneClaim =
  | { kind: 'alone'; row: ClaimedRow }
  | { kind: 'poison'; row: InboxKey; detail: string }
  /** A newer generation has replaced it. */
  | { kind: 'superseded'; row: InboxKey }
  | undefined;

/**
 * Claims one due row whose last claim had no outcome, and counts that claim before the row is handled, so that a process that dies
 * of it has left its mark. After `poisonAfter` such marks the row is dead instead. Index tpc_inbox_due.
 */
export async function claimLoneRow(
  db: Knex,
  args: { group: string; topics: readonly string[]; leaseMs: number; poisonAfter: number; reportAfterMs: number },
): Promise<LoneClaim> {
  const { now, forUpdateSkipLocked } = dialectOf(db);
  return inTransaction(db, async (tx) => {
    const due = await run<KeyColumns>(
      tx,
      `SELECT message_key, generation, claim, lone_claims FROM tpc_inbox
WHERE consumer_group = ? AND due_at <= ${now} AND topic IN (${placeholders(args.topics.length)}) AND claim IS NOT NULL
ORDER BY due_at LIMIT 1${forUpdateSkipLocked}`,
      [args.group, ...args.topics],
    );
    const found = due.rows[0];
    if (found === undefined) return undefined;
    const key = keyOf(found);
    if ((await supersedeOlder(tx, args.group, [key])).length === 0) return { kind: 'superseded', row: key };
    if (decideDueRow({ claim: found.claim, loneClaims: found.lone_claims }, args.poisonAfter) === 'poison') {
      const detail = `${found.lone_claims} processes ended while they handled this message alone`;
      await markPoison(tx, args.group, key, args.reportAfterMs, detail);
      return { kind: 'poison', row: key, detail };
    }
    const [row] = await takeOver(tx, { ...args, keys: [key], lone: true });
    return row === undefined ? undefined : { kind: 'alone', row };
  });
}

function keyOf(columns: KeyColumns): InboxKey {
  return { messageKey: columns.message_key, generation: columns.generation };
}

/** Writes this claim's token and lease into locked rows and reads them. */
async function takeOver(
  tx: Knex.Transaction,
  args: { group: string; keys: readonly InboxKey[]; leaseMs: number; lone: boolean },
): Promise<ClaimedRow[]> {
  const { now } = dialectOf(tx);
  const claim = randomUUID();
  const leaseUntil = performance.now() + args.leaseMs;
  const claimed: ClaimedRow[] = [];
  for (const { where, params } of byGeneration(args.keys)) {
    await run(tx, `UPDATE tpc_inbox SET claim = ?, due_at = ${now} + ?, lone_claims = lone_claims + ? WHERE consumer_group = ? AND ${where}`, [
      claim,
      args.leaseMs,
      args.lone ? 1 : 0,
      args.group,
      ...params,
    ]);
    const { rows } = await run<InboxColumns>(tx, `SELECT ${ROW_COLUMNS} FROM tpc_inbox WHERE consumer_group = ? AND ${where}`, [
      args.group,
      ...params,
    ]);
    claimed.push(...rows.map((row) => ({ ...rowOfColumns(row), claim, leaseUntil })));
  }
  return claimed;
}

/** Ends rows that a newer stored generation replaces. @returns the keys that remain */
async function supersedeOlder(tx: Knex.Transaction, group: string, keys: readonly InboxKey[]): Promise<InboxKey[]> {
  const stored = await readStoredRows(
    tx,
    group,
    keys.map((key) => key.messageKey),
  );
  const isOlder = (key: InboxKey) =>
    decideArrival(
      key,
      stored.filter((row) => row.messageKey === key.messageKey),
    ).kind === 'older';
  await markSuperseded(tx, group, keys.filter(isOlder));
  return keys.filter((key) => !isOlder(key));
}

/** Ends open rows without a report: TPC follows the newer generation only. */
export async function markSuperseded(db: Knex | Knex.Transaction, group: string, keys: readonly InboxKey[]): Promise<void> {
  const { now } = dialectOf(db);
  for (const { where, params } of byGeneration(keys)) {
    await run(
      db,
      `UPDATE tpc_inbox SET state = ?, reason = ?, claim = NULL, due_at = NULL, finished_at = ${now}, report_due_at = NULL
WHERE consumer_group = ? AND ${where} AND state = ?`,
      [InboxState.DEAD, Reason.SUPERSEDED, group, ...params, InboxState.RECEIVED],
    );
  }
}

async function markPoison(tx: Knex.Transaction, group: string, key: InboxKey, reportAfterMs: number, detail: string): Promise<void> {
  const { now } = dialectOf(tx);
  const pk = [group, key.messageKey, key.generation] as const;
  await run(
    tx,
    `UPDATE tpc_inbox SET state = ?, reason = ?, last_error = ?, claim = NULL, due_at = NULL, finished_at = ${now}, open_effects = 0,
report_kind = ?, report_due_at = ${now} + ?, report_attempts = 0
WHERE consumer_group = ? AND message_key = ? AND generation = ?`,
    [InboxState.DEAD, Reason.POISON, detail, ReportKind.FAILED, reportAfterMs, ...pk],
  );
  await run(
    tx,
    `UPDATE tpc_inbox_effect SET state = ?, reason = ?, claim = NULL, lease_until = NULL, finished_at = ${now}
WHERE consumer_group = ? AND message_key = ? AND generation = ? AND state = ?`,
    [EffectState.DEAD, Reason.POISON, ...pk, EffectState.OPEN],
  );
}
