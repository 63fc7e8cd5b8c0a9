import { randomUUID } from 'node:crypto';
import { dialectOf, inPacketTransaction, type Queryable, run, runOnPrimary, type Tx } from '@tpc/core';
import type { Knex } from 'knex';
import { ClaimNotRead } from '../../claim-not-read.ts';
import { decideArrival } from '../domain/decide-arrival.ts';
import { type ClaimedRow, type InboxColumns, type InboxKey, ROW_COLUMNS, rowOfColumns } from '../domain/inbox-row.ts';
import { InboxState, Reason } from '../domain/states.ts';
import { byGeneration } from './by-generation.ts';
import { readStoredRows } from './insert-inbox.ts';

type KeyColumns = { message_key: string; generation: number };

/**
 * Claims due rows of a topic that nobody may have died of, oldest due first. Rows whose newer generation is stored are superseded on the way.
 * Index tpc_inbox_due: what is due of a topic stands together in order. Rows that another claims at this moment are skipped, so claimers never wait.
 */
export async function claimDueRows(db: Knex, args: { group: string; topic: string; limit: number; leaseMs: number }): Promise<ClaimedRow[]> {
  const { now, forUpdateSkipLocked } = dialectOf(db);
  return inPacketTransaction(db, async (tx) => {
    const due = await run<KeyColumns>(
      tx,
      `SELECT message_key, generation FROM tpc_inbox
WHERE consumer_group = ? AND topic = ? AND claim IS NULL AND due_at <= ${now} ORDER BY due_at LIMIT ?${forUpdateSkipLocked}`,
      [args.group, args.topic, args.limit],
    );
    const current = await supersedeOlder(tx, args.group, due.rows.map(keyOf));
    return takeOver(tx, { ...args, keys: current, lone: false });
  });
}

/** Of these topics, those that have rows due which nobody may have died of. One read, without locks. Index tpc_inbox_due: one look a topic. */
export async function findDueTopics(db: Knex, group: string, topics: readonly string[]): Promise<string[]> {
  if (topics.length === 0) return [];
  const { now } = dialectOf(db);
  const look = `SELECT ? AS topic FROM (SELECT 1 AS one) AS here
WHERE EXISTS (SELECT 1 FROM tpc_inbox WHERE consumer_group = ? AND topic = ? AND claim IS NULL AND due_at <= ${now})`;
  const { rows } = await runOnPrimary<{ topic: string }>(
    db,
    topics.map(() => look).join(' UNION ALL '),
    topics.flatMap((topic) => [topic, group, topic]),
  );
  return rows.map(({ topic }) => topic);
}

function keyOf(columns: KeyColumns): InboxKey {
  return { messageKey: columns.message_key, generation: columns.generation };
}

/** Writes this claim's token and lease into locked rows and reads them. @throws ClaimNotRead, and the claim is undone */
export async function takeOver(tx: Tx, args: { group: string; keys: readonly InboxKey[]; leaseMs: number; lone: boolean }): Promise<ClaimedRow[]> {
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
    const { rows } = await run<InboxColumns>(tx, `SELECT ${ROW_COLUMNS} FROM tpc_inbox WHERE consumer_group = ? AND ${where} AND claim = ?`, [
      args.group,
      ...params,
      claim,
    ]);
    claimed.push(...rows.map((row) => ({ ...rowOfColumns(row), claim, leaseUntil })));
  }
  if (claimed.length !== args.keys.length) throw new ClaimNotRead(args.keys.length, claimed.length);
  return claimed;
}

/** Ends rows that a newer stored generation replaces. @returns the keys that remain */
export async function supersedeOlder(tx: Tx, group: string, keys: readonly InboxKey[]): Promise<InboxKey[]> {
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
export async function markSuperseded(db: Knex | Queryable, group: string, keys: readonly InboxKey[]): Promise<void> {
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
