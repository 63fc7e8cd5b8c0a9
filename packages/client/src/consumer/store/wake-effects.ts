import { dialectOf, inPacketTransaction, placeholders, run, type Tx } from '@tpc/core';
import type { Knex } from 'knex';
import { EffectState, InboxState } from '../domain/states.ts';

/** Messages in one transaction, so that none of them is locked for long. */
const PAGE = 500;

/**
 * Makes the effects due that were deferred until `waitsFor` is there again, and their messages with them. Effects that wait for nothing but their time are
 * left alone. May be repeated: a message that was being given back at that very moment is found by the next call. Index tpc_inbox_effect_state for the
 * look, whose order is that of the message keys; primary keys for the changes.
 * @returns how many messages have such effects
 */
export async function wakeEffects(db: Knex, group: string, waitsFor: string): Promise<number> {
  let woken = 0;
  let after = '';
  for (;;) {
    const keys = await inPacketTransaction(db, (tx) => wakePage(tx, group, waitsFor, after));
    woken += keys.length;
    if (keys.length < PAGE) return woken;
    after = keys.at(-1) as string;
  }
}

/** The inbox's rows are locked first, as by whoever settles an effect. */
async function wakePage(tx: Tx, group: string, waitsFor: string, after: string): Promise<string[]> {
  const { now } = dialectOf(tx);
  const { rows } = await run<{ message_key: string }>(
    tx,
    `SELECT DISTINCT message_key FROM tpc_inbox_effect
WHERE consumer_group = ? AND state = ? AND message_key > ? AND waits_for = ? AND claim IS NULL ORDER BY message_key LIMIT ?`,
    [group, EffectState.OPEN, after, waitsFor, PAGE],
  );
  const keys = rows.map((row) => row.message_key);
  if (keys.length === 0) return keys;
  const ofKeys = `consumer_group = ? AND message_key IN (${placeholders(keys.length)}) AND state = ? AND claim IS NULL`;
  await run(tx, `UPDATE tpc_inbox SET due_at = ${now} WHERE ${ofKeys} AND due_at > ${now}`, [group, ...keys, InboxState.RECEIVED]);
  await run(tx, `UPDATE tpc_inbox_effect SET lease_until = ${now} WHERE ${ofKeys} AND waits_for = ? AND lease_until > ${now}`, [
    group,
    ...keys,
    EffectState.OPEN,
    waitsFor,
  ]);
  return keys;
}
