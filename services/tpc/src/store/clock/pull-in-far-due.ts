import { inPacketTransaction, placeholders, run, runOnPrimary, type SqlValue } from '@tpc/core';
import { type DueBound, type DueBounds, dueBounds } from '../../domain/longest-waits.ts';
import type { StoreContext } from '../base/context.ts';
import { LaneKind, laneOf, laneSql } from '../base/lanes.ts';
import { selectEach } from '../base/select-per-group.ts';

/** The lanes whose rows have a due time. What is parked is taken in the order of its due times, whatever the clock says. */
const BOUND_OF_LANE = [
  [LaneKind.CHECK, 'check'],
  [LaneKind.PUBLISH, 'publish'],
  [LaneKind.FOLLOW, 'follow'],
] as const satisfies readonly (readonly [LaneKind, keyof DueBounds])[];

/** One range of an index in which rows lie too far ahead. */
type FarRange = {
  table: 'message' | 'confirm';
  id: 'id' | 'message_id';
  /** Condition on what stands before due_at in the index. */
  of: string;
  bound: DueBound;
};

/**
 * Pulls in due times that lie further ahead than any wait (Store.pullInFarDue). Each becomes what it would be if the row had got its wait now. A claim stays as it
 * is and keeps its whole lease, so what is under way is not begun a second time. While the clock is right this is a short look for each owner and group.
 * Index: message_lane_due and confirm_group_due, from their ends. Locks: the rows, skipping what others hold, so it never waits.
 */
export async function pullInFarDue(ctx: StoreContext, limit: number, leaseMs: number): Promise<{ pulledIn: number; more: boolean }> {
  const bounds = dueBounds(ctx.policies, leaseMs);
  const ranges = [...(await ctx.retry(() => farMessages(ctx, bounds))), ...(await ctx.retry(() => farCopies(ctx, bounds)))];
  const counts: number[] = [];
  for (const range of ranges) counts.push(await ctx.retry(() => pullIn(ctx, range, limit)));
  return { pulledIn: counts.reduce((sum, count) => sum + count, 0), more: counts.includes(limit) };
}

/** A short look for each owner and kind of work. */
async function farMessages({ knex, sql }: StoreContext, bounds: DueBounds): Promise<FarRange[]> {
  const looks = BOUND_OF_LANE.map(
    ([kind, name]) => `(SELECT m.due_at FROM message m WHERE m.lane = ${laneSql(kind, 'o.id')} AND m.due_at > ${sql.now} + ${bounds[name].longestMs}
       ORDER BY m.due_at DESC LIMIT 1) AS far_${kind}`,
  );
  const { rows } = await runOnPrimary<Record<string, number | null>>(knex, `SELECT o.id, ${looks.join(', ')} FROM message_owner o`);
  return rows.flatMap((row) =>
    BOUND_OF_LANE.filter(([kind]) => row[`far_${kind}`] !== null).map(
      ([kind, name]): FarRange => ({ table: 'message', id: 'id', of: `lane = ${laneOf(kind, Number(row.id))}`, bound: bounds[name] }),
    ),
  );
}

/** Two short looks for each group. */
async function farCopies({ knex, sql }: StoreContext, bounds: DueBounds): Promise<FarRange[]> {
  const groups = await runOnPrimary<{ id: number; untaken: string | null; now: number }>(
    knex,
    `SELECT id, untaken, ${sql.now} AS now FROM consumer_group`,
  );
  const ranges = groups.rows.flatMap(({ id, untaken }): FarRange[] => [
    { table: 'confirm', id: 'message_id', of: `group_id = ${id} AND urgent = 0`, bound: untaken === null ? bounds.waiting : bounds.waitingUntaken },
    { table: 'confirm', id: 'message_id', of: `group_id = ${id} AND urgent = 1`, bound: bounds.urgent },
  ]);
  const now = groups.rows[0]?.now ?? 0;
  const asks = ranges.map(({ of, bound }) => `FROM confirm WHERE ${of} AND due_at > ${now + bound.longestMs}`);
  const furthest = await selectEach<{ due_at: number | null }>(knex, 'MAX(due_at) AS due_at', asks);
  return ranges.filter((_range, place) => (furthest[place]?.due_at ?? null) !== null);
}

/** @returns how many rows; the limit: there are probably more */
function pullIn({ knex, sql }: StoreContext, { table, id, of, bound }: FarRange, limit: number): Promise<number> {
  return inPacketTransaction(knex, async (tx) => {
    const { rows } = await run<{ id: SqlValue }>(
      tx,
      `SELECT ${id} AS id FROM ${table} WHERE ${of} AND due_at > ${sql.now} + ? ORDER BY due_at DESC LIMIT ?${sql.forUpdateSkipLocked}`,
      [bound.longestMs, limit],
    );
    if (rows.length === 0) return 0;
    const ids = rows.map((row) => row.id);
    const { affected } = await run(
      tx,
      `UPDATE ${table} SET due_at = ${sql.now} + ? WHERE ${of} AND ${id} IN (${placeholders(ids.length)}) AND due_at > ${sql.now} + ?`,
      [bound.insteadMs, ...ids, bound.longestMs],
    );
    return affected;
  });
}
