import { placeholders, run, runOnPrimary } from '@tpc/core';
import type { Db, StoreContext } from './context.ts';
import { isDuplicate } from './retrying.ts';

export const InstanceKind = { PRODUCER: 1, CONSUMER: 2 } as const;
export type InstanceKind = (typeof InstanceKind)[keyof typeof InstanceKind];

export type Heartbeat = { kind: InstanceKind; groupId: number; instanceId: string; store: string; host: string; idle: boolean; namesGroup?: boolean };

/** Instances silent for longer are removed when a new one comes, milliseconds. */
const FORGET_AFTER_MS = 24 * 3600 * 1000;

/** Notes a sign of life. Index: PRIMARY of instance. */
export async function noteHeartbeat(ctx: StoreContext, beat: Heartbeat): Promise<void> {
  const where = 'WHERE kind = ? AND group_id = ? AND instance_id = ?';
  const key = [beat.kind, beat.groupId, beat.instanceId];
  const update = () =>
    run(ctx.knex, `UPDATE instance SET heartbeat_at = ${ctx.sql.now}, idle = ?, names_group = ?, host = ?, store = ? ${where}`, [
      beat.idle ? 1 : 0,
      beat.namesGroup ? 1 : 0,
      beat.host,
      beat.store,
      ...key,
    ]);
  if ((await update()).affected > 0) return;
  await run(ctx.knex, `DELETE FROM instance WHERE heartbeat_at < ${ctx.sql.now} - ?`, [FORGET_AFTER_MS]);
  try {
    await run(
      ctx.knex,
      `INSERT INTO instance (kind, group_id, instance_id, store, host, idle, names_group, started_at, heartbeat_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ${ctx.sql.now}, ${ctx.sql.now})`,
      [...key, beat.store, beat.host, beat.idle ? 1 : 0, beat.namesGroup ? 1 : 0],
    );
  } catch (error) {
    if (!isDuplicate(error)) throw error;
    await update();
  }
}

/** A call of a producer instance that is no registration: only its time counts. One that never registered leaves no row. */
export async function touchInstance(ctx: StoreContext, kind: InstanceKind, groupId: number, instanceId: string): Promise<void> {
  await run(ctx.knex, `UPDATE instance SET heartbeat_at = ${ctx.sql.now} WHERE kind = ? AND group_id = ? AND instance_id = ?`, [
    kind,
    groupId,
    instanceId,
  ]);
}

/**
 * Since when each consumer group is idle: the oldest of its live instances' last heartbeats, when all of them said idle. A group with a busy
 * instance, or none alive, is missing. Index: PRIMARY of instance.
 */
export async function readIdleSince(db: Db, ctx: Pick<StoreContext, 'sql' | 'policies'>, groupIds: readonly number[]): Promise<Map<number, number>> {
  if (groupIds.length === 0) return new Map();
  const { rows } = await runOnPrimary<{ group_id: number; since: number }>(
    db,
    `SELECT group_id, MIN(heartbeat_at) AS since FROM instance
     WHERE kind = ${InstanceKind.CONSUMER} AND group_id IN (${placeholders(groupIds.length)}) AND heartbeat_at > ${ctx.sql.now} - ?
     GROUP BY group_id HAVING MIN(idle) = 1`,
    [...groupIds, ctx.policies.instanceGoneMs],
  );
  return new Map(rows.map((row) => [row.group_id, row.since]));
}
