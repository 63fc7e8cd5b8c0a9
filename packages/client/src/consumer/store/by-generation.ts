import { placeholders, type SqlValue } from '@tpc/core';
import type { InboxKey } from '../domain/inbox-row.ts';

/**
 * Names many rows of one group by their primary key. A list of (key, generation) pairs is not read as an index range everywhere, so
 * the rows are named per generation; nearly all are of generation 1, so this is one statement.
 */
export function byGeneration<R extends InboxKey>(rows: readonly R[]): { where: string; params: SqlValue[]; rows: R[] }[] {
  const groups = new Map<number, R[]>();
  for (const row of rows) groups.set(row.generation, [...(groups.get(row.generation) ?? []), row]);
  return [...groups].map(([generation, members]) => ({
    where: `generation = ? AND message_key IN (${placeholders(members.length)})`,
    params: [generation, ...members.map((row) => row.messageKey).sort()],
    rows: members,
  }));
}
