import { dialectOf, run } from '@tpc/core';
import type { Knex } from 'knex';

/** What of the outbox is not done. */
export type OutboxBacklog = {
  /** Committed rows that TPC has not acknowledged. */
  unacknowledged: number;
  /** How long the first of them has been due, milliseconds; 0: none is. */
  oldestDueMs: number;
};

/**
 * Counts the group's rows that are not acknowledged: those alone have a due time. Older rows that name no group count for every group of the
 * database. Covered by the index tpc_outbox_due.
 */
export async function readOutboxBacklog(knex: Knex, group: string): Promise<OutboxBacklog> {
  const { now } = dialectOf(knex);
  const { rows } = await run<{ n: number; overdue: number | null }>(
    knex,
    `SELECT COUNT(*) AS n, ${now} - MIN(due_at) AS overdue FROM tpc_outbox WHERE producer_group IN (?, '') AND due_at IS NOT NULL`,
    [group],
  );
  return { unacknowledged: Number(rows[0]?.n ?? 0), oldestDueMs: Math.max(0, Number(rows[0]?.overdue ?? 0)) };
}
