import { runOnPrimary } from '@tpc/core';
import type { StoreContext } from '../base/context.ts';
import { InstanceKind } from './instances.ts';

/** A producer group on an outbox database, by its instances that TPC still remembers. */
type Sharer = { group_id: number; name: string; names_group: number; started_at: number; heartbeat_at: number };

/**
 * Which other producer group stands in the way of this one on the same outbox database. Two groups may share one only where both write their group into
 * their rows; else the sweeper of each sends the other's messages under its own name. The group that was there first stays. A group counts
 * as long as its instances are remembered (instances.ts), since its rows outlive its processes; its newest instance speaks for it.
 * Index: PRIMARY of instance, over the producers' instances.
 * @returns the name of that group; undefined when there is none
 */
export async function groupInTheWay(
  ctx: StoreContext,
  registering: { groupId: number; store: string; namesGroup: boolean | undefined },
): Promise<string | undefined> {
  const { groupId, store, namesGroup } = registering;
  // A producer that names no database shares none.
  if (store === '') return undefined;
  const { rows } = await runOnPrimary<Sharer>(
    ctx.knex,
    `SELECT i.group_id, g.name, i.names_group, i.started_at, i.heartbeat_at FROM instance i JOIN producer_group g ON g.id = i.group_id
     WHERE i.kind = ${InstanceKind.PRODUCER} AND i.store = ?`,
    [store],
  );
  const rank = (some: readonly Sharer[]) => Math.min(...some.map((row) => row.started_at));
  const mine = rank(rows.filter((row) => row.group_id === groupId));
  for (const [otherId, some] of Map.groupBy(
    rows.filter((row) => row.group_id !== groupId),
    (row) => row.group_id,
  )) {
    const newest = some.reduce((a, b) => (b.heartbeat_at > a.heartbeat_at ? b : a));
    if (namesGroup && newest.names_group === 1) continue;
    const theirs = rank(some);
    if (theirs < mine || (theirs === mine && otherId < groupId)) return newest.name;
  }
  return undefined;
}
