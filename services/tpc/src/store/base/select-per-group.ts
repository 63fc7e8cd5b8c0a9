import { runOnPrimary } from '@tpc/core';
import type { Db } from './context.ts';

/** Questions in one statement. */
const AT_ONCE = 50;

/**
 * The same question about the copies of each consumer group. Each group stands as a number in a SELECT of its own, so that each is a range of the index
 * confirm_group_due: in a join with the groups, the database would walk over the settled copies of a group as well, which have no due time and stand first.
 * @param columns of confirm, in aggregates
 * @param where on urgent and due_at
 * @returns one row for each group
 */
export async function selectPerGroup<R>(db: Db, groupIds: readonly number[], columns: string, where: string): Promise<({ id: number } & R)[]> {
  const asks = groupIds.map((id) => `FROM confirm WHERE group_id = ${id} AND ${where}`);
  const rows = await selectEach<R>(db, columns, asks);
  return rows.map((row, place) => ({ ...row, id: groupIds[place] as number }));
}

/**
 * The same columns of several questions, many in one statement.
 * @param columns aggregates, so that each question has one row for its answer
 * @param asks each from its FROM on
 * @returns one row for each question, in their order
 */
export async function selectEach<R>(db: Db, columns: string, asks: readonly string[]): Promise<R[]> {
  const found: R[] = [];
  for (let start = 0; start < asks.length; start += AT_ONCE) {
    const selects = asks.slice(start, start + AT_ONCE).map((ask, place) => `SELECT ${start + place} AS place, ${columns} ${ask}`);
    const { rows } = await runOnPrimary<{ place: number } & R>(db, selects.join(' UNION ALL '));
    for (const row of rows) found[row.place] = row;
  }
  return found;
}
