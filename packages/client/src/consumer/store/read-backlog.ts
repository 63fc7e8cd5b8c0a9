import { dialectOf, run } from '@tpc/core';
import type { Knex } from 'knex';

/** What of a group's inbox is not done. */
export type InboxBacklog = {
  /** Messages that are neither consumed nor dead. */
  unfinished: number;
  /** How long the first of them has been due, milliseconds; 0: none is. */
  oldestDueMs: number;
};

/**
 * Counts a group's messages of these topics that are not finished: those alone have a due time. Of each topic, the rows without a claim that are due some
 * time, and those with one: two ranges of the index tpc_inbox_due, which covers them.
 */
export async function readInboxBacklog(knex: Knex, group: string, topics: readonly string[]): Promise<InboxBacklog> {
  const { now } = dialectOf(knex);
  const range = `SELECT COUNT(*) AS n, MIN(due_at) AS first_due FROM tpc_inbox WHERE consumer_group = ? AND topic = ? AND`;
  const both = `${range} claim IS NULL AND due_at IS NOT NULL UNION ALL ${range} claim IS NOT NULL`;
  const { rows } = await run<{ n: number; overdue: number | null }>(
    knex,
    `SELECT SUM(n) AS n, ${now} - MIN(first_due) AS overdue FROM (${topics.map(() => both).join(' UNION ALL ')}) AS per_topic`,
    topics.flatMap((topic) => [group, topic, group, topic]),
  );
  return { unfinished: Number(rows[0]?.n ?? 0), oldestDueMs: Math.max(0, Number(rows[0]?.overdue ?? 0)) };
}
