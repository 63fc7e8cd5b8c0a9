import { DEFAULT_MAX_BODY_BYTES, dialectOf, run, runOnPrimary, valueRows } from '@tpc/core';
import type { Knex } from 'knex';
import type { InboxKey } from '../domain/inbox-row.ts';
import { EffectState } from '../domain/states.ts';
import { reasonCode } from '../errors.ts';
import type { EffectPlan } from '../types.ts';

/** A stored effect. */
export type EffectRow = {
  effectKey: string;
  state: number;
  /** JSON as it was planned; undefined: none. */
  payload: unknown;
  /** Claims so far: raised before the act. */
  attempts: number;
  /** Tries after which the handler wanted a later one. */
  deferrals: number;
  claim: string | null;
  /** End of the claim's lease, or, without a claim, when the next try is due; the database's clock. */
  leaseUntil: number | null;
  reason: string;
  error: string;
};

/** Names the effects of one message. */
const OF_MESSAGE = 'consumer_group = ? AND message_key = ? AND generation = ?';
const ofMessage = (group: string, key: InboxKey) => [group, key.messageKey, key.generation] as const;

const MAX_KEY_LENGTH = 255;
const MAX_PAYLOAD_BYTES = 60_000;
/** Effects in one INSERT. */
const MAX_ROWS = 50;
/** Payloads in one INSERT, bytes. A statement holds them as hexadecimal digits, and must fit the smallest packet that a consumer's database may take. */
const MAX_INSERT_BYTES = DEFAULT_MAX_BODY_BYTES / 2;
const MAX_RESULT = 1024;

/**
 * Stores the effects of a message, open, and the first one as claimed already, so that a message with one effect needs no claim of its own. The
 * caller's transaction holds the inbox row, so no one else does the same.
 * @throws Error when a payload is not JSON or too large, or a key is none
 */
export async function insertEffects(
  tx: Knex.Transaction,
  group: string,
  key: InboxKey,
  plans: readonly EffectPlan[],
  first: { token: string; leaseMs: number },
): Promise<void> {
  const { now } = dialectOf(tx);
  for (const part of partsOf(plans.map(rowOf))) {
    await run(
      tx,
      `INSERT INTO tpc_inbox_effect (consumer_group, message_key, generation, effect_key, state, payload, claim, attempts, lease_until, created_at)
VALUES ${valueRows(`(?, ?, ?, ?, ?, ?, ?, ?, ${now} + ?, ${now})`, part.length)}`,
      part.flatMap(({ effectKey, payload, isFirst }) => [
        ...ofMessage(group, key),
        effectKey,
        EffectState.OPEN,
        payload,
        ...(isFirst ? [first.token, 1, first.leaseMs] : [null, 0, null]),
      ]),
    );
  }
}

type NewEffect = { effectKey: string; payload: Buffer | null; isFirst: boolean };

function rowOf(plan: EffectPlan, place: number): NewEffect {
  assertKey(plan.key);
  return { effectKey: plan.key, payload: payloadOf(plan), isFirst: place === 0 };
}

/** Two keys must be two keys in every database: MySQL and MariaDB compare texts without the blanks at their ends, and store no half of a surrogate pair. */
function assertKey(key: string): void {
  if (key.length < 1 || key.length > MAX_KEY_LENGTH) throw new Error(`the key of an effect has 1 to ${MAX_KEY_LENGTH} characters`);
  if (key.endsWith(' ')) throw new Error('the key of an effect must not end with a blank: trim it');
  if (!key.isWellFormed()) throw new Error('the key of an effect holds half of a surrogate pair');
}

/** Cuts what is to be stored into the rows of single INSERTs. */
function partsOf(effects: readonly NewEffect[]): NewEffect[][] {
  const parts: NewEffect[][] = [];
  let bytes = 0;
  for (const effect of effects) {
    const size = effect.payload?.byteLength ?? 0;
    const part = parts.at(-1);
    if (part !== undefined && part.length < MAX_ROWS && bytes + size <= MAX_INSERT_BYTES) {
      part.push(effect);
      bytes += size;
    } else {
      parts.push([effect]);
      bytes = size;
    }
  }
  return parts;
}

function payloadOf(plan: EffectPlan): Buffer | null {
  if (plan.payload === undefined) return null;
  const payload = Buffer.from(JSON.stringify(plan.payload));
  if (payload.byteLength > MAX_PAYLOAD_BYTES) {
    throw new Error(
      `the payload of an effect has ${payload.byteLength} bytes, at most ${MAX_PAYLOAD_BYTES} are taken: read large content from the message`,
    );
  }
  return payload;
}

/** All effects of a message as last committed, and the database's clock. Primary key. */
export async function readEffects(db: Knex | Knex.Transaction, group: string, key: InboxKey): Promise<{ effects: EffectRow[]; now: number }> {
  const { now } = dialectOf(db);
  const { rows } = await runOnPrimary<{
    effect_key: string;
    state: number;
    payload: Buffer | null;
    attempts: number;
    deferrals: number;
    claim: string | null;
    lease_until: number | string | null;
    reason: string;
    last_error: string;
    clock: number | string;
  }>(
    db,
    `SELECT effect_key, state, payload, attempts, deferrals, claim, lease_until, reason, last_error, ${now} AS clock FROM tpc_inbox_effect
WHERE ${OF_MESSAGE} ORDER BY effect_key`,
    [...ofMessage(group, key)],
  );
  const effects = rows.map((row) => ({
    effectKey: row.effect_key,
    state: row.state,
    payload: row.payload === null ? undefined : (JSON.parse(row.payload.toString()) as unknown),
    attempts: row.attempts,
    deferrals: row.deferrals,
    claim: row.claim,
    leaseUntil: row.lease_until === null ? null : Number(row.lease_until),
    reason: row.reason,
    error: row.last_error,
  }));
  return { effects, now: Number(rows[0]?.clock ?? 0) };
}

/**
 * Claims one effect and counts the attempt, before the act. Matches only while the effect stands as it was read, so of two processes one wins.
 * Commits by itself. Primary key.
 * @returns false when another has it, or it is settled
 */
export async function claimEffect(
  db: Knex,
  group: string,
  key: InboxKey,
  effect: EffectRow,
  claim: { token: string; leaseMs: number },
): Promise<boolean> {
  const { now } = dialectOf(db);
  const { affected } = await run(
    db,
    `UPDATE tpc_inbox_effect SET claim = ?, lease_until = ${now} + ?, attempts = attempts + 1
WHERE ${OF_MESSAGE} AND effect_key = ? AND state = ? AND attempts = ? AND (lease_until IS NULL OR lease_until <= ${now})`,
    [claim.token, claim.leaseMs, ...ofMessage(group, key), effect.effectKey, EffectState.OPEN, effect.attempts],
  );
  return affected === 1;
}

/** Gives an effect back until its next try; only under the claim's token. Primary key. */
export async function retryEffect(
  db: Knex,
  group: string,
  key: InboxKey,
  effect: { effectKey: string; token: string },
  outcome: { waitMs: number; error: string; deferral?: { counts: boolean; waitsFor: string } },
): Promise<void> {
  const { now } = dialectOf(db);
  await run(
    db,
    `UPDATE tpc_inbox_effect SET claim = NULL, lease_until = ${now} + ?, last_error = ?, deferrals = deferrals + ?, waits_for = ?
WHERE ${OF_MESSAGE} AND effect_key = ? AND state = ? AND claim = ?`,
    [
      outcome.waitMs,
      outcome.error,
      outcome.deferral?.counts ? 1 : 0,
      outcome.deferral?.waitsFor ?? '',
      ...ofMessage(group, key),
      effect.effectKey,
      EffectState.OPEN,
      effect.token,
    ],
  );
}

export type EffectSettlement =
  | { state: typeof EffectState.DONE; result: string }
  | { state: typeof EffectState.DEAD; reason: string; detail: string }
  | { state: typeof EffectState.HELD; reason: string; detail: string };

/**
 * Settles one effect, in a transaction that has locked the inbox row. Done is a fact: it is guarded by state, and also overrides what another
 * process held or gave up meanwhile. Dead and held are judgements: only an open effect takes them. Primary key.
 * @returns 1 when an open effect was settled, else 0
 */
export async function settleEffect(
  tx: Knex.Transaction,
  group: string,
  key: InboxKey,
  effectKey: string,
  settlement: EffectSettlement,
): Promise<number> {
  const { now } = dialectOf(tx);
  const done = settlement.state === EffectState.DONE;
  const values = done ? [settlement.result.slice(0, MAX_RESULT), '', ''] : ['', reasonCode(settlement.reason), settlement.detail];
  const settle = (from: number) =>
    run(
      tx,
      `UPDATE tpc_inbox_effect SET state = ?, claim = NULL, lease_until = NULL, finished_at = ${now}, result = ?, reason = ?, last_error = ?
WHERE ${OF_MESSAGE} AND effect_key = ? AND state = ?`,
      [settlement.state, ...values, ...ofMessage(group, key), effectKey, from],
    );
  const { affected } = await settle(EffectState.OPEN);
  if (affected === 0 && done) {
    await settle(EffectState.HELD);
    await settle(EffectState.DEAD);
  }
  return affected;
}
