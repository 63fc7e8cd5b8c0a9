import { dialectOf, run } from '@tpc/core';
import type { Knex } from 'knex';

/** What of a group's inbox is not done. */
export type InboxBacklog = {
  /** Messages that are neither consumed nor dead. */
  unfinished: number;
  /** How long the first of them has been due, milliseconds; 0: none is. */
  oldestDueMs: number;
};

/** Counts a group's messages that are not finished: those alone have a due time. Covered by the index tpc_inbox_due. */
export async function readInboxBacklog(knex: Knex, group: string): Promise<InboxBacklog> {
  const { now } = dialectOf(knex);
  const { rows } = await run<{ n: number; overdue: number | null }>(
    knex,
    `SELECT COUNT(*) AS n, ${now} - MIN(due_at) AS overdue FROM tpc_inbox WHERE consumer_group = ? AND due_at IS NOT NULL`,
    [group],
  );
  return { unfinished: Number(rows[0]?.n ?? 0), oldestDueMs: Math.max(0, Number(rows[0]?.overdue ?? 0)) };
}
