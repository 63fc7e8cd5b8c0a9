import { runOnPrimary } from '@tpc/core';
import type { Db } from './context.ts';

/** Groups that one statement asks about. */
const GROUPS_AT_ONCE = 50;

/**
 * The same question about the copies of each consumer group. Each group stands as a number in a SELECT of its own, so that each is a range of the index
 * confirm_group_due: in a join with the groups, the database would walk over the settled copies of a group as well, which have no due time and stand first.
 * @param columns of confirm, in aggregates
 * @param where on due_at
 * @returns one row for each group
 */
export async function selectPerGroup<R>(db: Db, groupIds: readonly number[], columns: string, where: string): Promise<({ id: number } & R)[]> {
  const found: ({ id: number } & R)[] = [];
  for (let start = 0; start < groupIds.length; start += GROUPS_AT_ONCE) {
    const part = groupIds.slice(start, start + GROUPS_AT_ONCE);
    const selects = part.map((id) => `SELECT ${id} AS id, ${columns} FROM confirm WHERE group_id = ${id} AND ${where}`);
    const { rows } = await runOnPrimary<{ id: number } & R>(db, selects.join(' UNION ALL '));
    found.push(...rows);
  }
  return found;
}
