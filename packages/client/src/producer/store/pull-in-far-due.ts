import { dialectOf, inPacketTransaction, placeholders, run, runOnPrimary } from '@tpc/core';
import type { Knex } from 'knex';
import { PULL_IN_AT_ONCE } from '../../clock/far-due.ts';
import { OUTBOX_PENDING } from '../domain/outbox-state.ts';

export type FarDueOptions = {
  group: string;
  /** What is due later than that from now was not given that time by the clock as it is now, milliseconds. */
  longestMs: number;
  /** What is claimed stays so for as long, milliseconds. */
  leaseMs: number;
};

/**
 * Makes due what is due too far ahead, of this group and of rows that name none. A claimed row is due after a whole lease. While the clock is right this is one
 * read. Index tpc_outbox_due, from its end. Rows of open transactions are locked, and skipped.
 * @returns how many
 */
export async function pullInFarDue(knex: Knex, options: FarDueOptions): Promise<number> {
  let total = 0;
  for (const group of [options.group, '']) {
    for (;;) {
      if (!(await isAny(knex, group, options.longestMs))) break;
      const count = await pullIn(knex, { ...options, group });
      total += count;
      if (count < PULL_IN_AT_ONCE) break;
    }
  }
  return total;
}

async function isAny(knex: Knex, group: string, longestMs: number): Promise<boolean> {
  const look = `SELECT message_key FROM tpc_outbox WHERE producer_group = ? AND due_at > ${dialectOf(knex).now} + ? ORDER BY due_at DESC LIMIT 1`;
  return (await runOnPrimary(knex, look, [group, longestMs])).rows.length > 0;
}

function pullIn(knex: Knex, { group, longestMs, leaseMs }: FarDueOptions): Promise<number> {
  const { now, forUpdateSkipLocked } = dialectOf(knex);
  return inPacketTransaction(knex, async (tx) => {
    const { rows } = await run<{ message_key: string }>(
      tx,
      `SELECT message_key FROM tpc_outbox WHERE producer_group = ? AND due_at > ${now} + ? ORDER BY due_at DESC LIMIT ?${forUpdateSkipLocked}`,
      [group, longestMs, PULL_IN_AT_ONCE],
    );
    if (rows.length === 0) return 0;
    const keys = rows.map((row) => row.message_key);
    const { affected } = await run(
      tx,
      `UPDATE tpc_outbox SET due_at = ${now} + CASE WHEN claim IS NULL THEN 0 ELSE ? END
       WHERE message_key IN (${placeholders(keys.length)}) AND state = ? AND due_at > ${now} + ?`,
      [leaseMs, ...keys, OUTBOX_PENDING, longestMs],
    );
    return affected;
  });
}
