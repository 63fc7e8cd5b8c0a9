import { dialectOf, runOnPrimary } from '@tpc/core';
import type { Knex } from 'knex';

/** Rows that are due for this long have no producer that sweeps them, milliseconds. */
const UNSWEPT_AFTER_MS = 600_000;

/**
 * Names of other groups (at most two) whose committed rows nobody sends any more. Only a producer of its group sweeps a row, so the rows of a group that
 * was renamed stay for ever. Two short looks at the index tpc_outbox_due (producer_group, due_at), before and behind the group.
 */
export async function findUnsweptGroups(knex: Knex, group: string): Promise<string[]> {
  const { now } = dialectOf(knex);
  const look = (side: '<' | '>') =>
    `(SELECT producer_group FROM tpc_outbox WHERE producer_group > '' AND producer_group ${side} ? AND due_at <= ${now} - ? LIMIT 1)`;
  const { rows } = await runOnPrimary<Record<string, string | null>>(knex, `SELECT ${look('<')} AS before_it, ${look('>')} AS behind_it`, [
    group,
    UNSWEPT_AFTER_MS,
    group,
    UNSWEPT_AFTER_MS,
  ]);
  return Object.values(rows[0] ?? {}).filter((name) => name !== null);
}
