import { dialectOf, inPacketTransaction, placeholders, run, runOnPrimary, type Tx } from '@tpc/core';
import type { Knex } from 'knex';
import { decideDueRow } from '../domain/decide-arrival.ts';
import type { ClaimedRow, InboxKey } from '../domain/inbox-row.ts';
import { EffectState, InboxState, Reason, ReportKind } from '../domain/states.ts';
import { byGeneration } from '../store/by-generation.ts';
import { supersedeOlder, takeOver } from '../store/claim-inbox.ts';

/** A due row whose last claim left no outcome: its process died, or its handler still runs. */
export type IsolatedRow = InboxKey & {
  /** Claims in isolation that left no outcome either. */
  loneClaims: number;
};

/** More than these are looked at when they are due in turn. */
const MAX_FOUND = 512;
/** Keys in one locking read. It stops at the first row that nobody holds. */
const LOCK_AT_ONCE = 32;

/**
 * Rows that may have lost their process, those that no process has died of in isolation first. One read that locks nothing; nearly always it
 * finds none. Index tpc_inbox_due: of a topic, the rows with a claim stand together, apart from what merely waits.
 */
export async function findIsolatedRows(db: Knex, group: string, topics: readonly string[]): Promise<IsolatedRow[]> {
  const { rows } = await runOnPrimary<{ message_key: string; generation: number; lone_claims: number }>(
    db,
    `SELECT message_key, generation, lone_claims FROM tpc_inbox
WHERE consumer_group = ? AND topic IN (${placeholders(topics.length)}) AND claim IS NOT NULL AND due_at <= ${dialectOf(db).now}
ORDER BY lone_claims, due_at LIMIT ${MAX_FOUND}`,
    [group, ...topics],
  );
  return rows.map((row) => ({ messageKey: row.message_key, generation: row.generation, loneClaims: row.lone_claims }));
}

export type IsolatedClaim =
  | { kind: 'isolated'; row: ClaimedRow }
  | { kind: 'poison'; row: InboxKey; detail: string }
  /** A newer generation has replaced it. */
  | { kind: 'superseded'; row: InboxKey }
  /** All are held by handlers that still run, or have had their outcome meanwhile. */
  | undefined;

type ClaimOptions = { group: string; leaseMs: number; poisonAfter: number; reportAfterMs: number };

/**
 * Claims one of these rows, and counts that claim before the row is handled, so that a process that dies of it has left its mark. After `poisonAfter`
 * such marks the row is dead instead. A row whose handler still runs is locked by its transaction, however long that takes: it is passed over. Primary key.
 */
export async function claimIsolatedRow(db: Knex, candidates: readonly IsolatedRow[], options: ClaimOptions): Promise<IsolatedClaim> {
  for (let from = 0; from < candidates.length; from += LOCK_AT_ONCE) {
    const part = candidates.slice(from, from + LOCK_AT_ONCE);
    const claim = await inPacketTransaction(db, (tx) => claimOneOf(tx, part, options));
    if (claim !== undefined) return claim;
  }
  return undefined;
}

async function claimOneOf(tx: Tx, candidates: readonly IsolatedRow[], options: ClaimOptions): Promise<IsolatedClaim> {
  const { group, leaseMs, poisonAfter, reportAfterMs } = options;
  const found = await lockOneOf(tx, candidates, group);
  if (found === undefined) return undefined;
  if ((await supersedeOlder(tx, group, [found])).length === 0) return { kind: 'superseded', row: found };
  if (decideDueRow(found, poisonAfter) === 'poison') {
    const detail = `${found.loneClaims} processes ended while they handled this message in isolation`;
    await markPoison(tx, group, found, reportAfterMs, detail);
    return { kind: 'poison', row: found, detail };
  }
  const [row] = await takeOver(tx, { group, keys: [found], leaseMs, lone: true });
  return row === undefined ? undefined : { kind: 'isolated', row };
}

async function lockOneOf(tx: Tx, candidates: readonly IsolatedRow[], group: string): Promise<(IsolatedRow & { claim: string }) | undefined> {
  const { now, forUpdateSkipLocked } = dialectOf(tx);
  for (const { where, params } of byGeneration(candidates)) {
    const { rows } = await run<{ message_key: string; generation: number; claim: string; lone_claims: number }>(
      tx,
      `SELECT message_key, generation, claim, lone_claims FROM tpc_inbox
WHERE consumer_group = ? AND ${where} AND claim IS NOT NULL AND due_at <= ${now} LIMIT 1${forUpdateSkipLocked}`,
      [group, ...params],
    );
    const row = rows[0];
    if (row) return { messageKey: row.message_key, generation: row.generation, claim: row.claim, loneClaims: row.lone_claims };
  }
  return undefined;
}

async function markPoison(tx: Tx, group: string, key: InboxKey, reportAfterMs: number, detail: string): Promise<void> {
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
