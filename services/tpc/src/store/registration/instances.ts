import { type Dialect, placeholders, run, runOnPrimary } from '@tpc/core';
import type { StoreContext } from '../base/context.ts';
import { isDuplicate } from '../base/retrying.ts';

export const InstanceKind = { PRODUCER: 1, CONSUMER: 2 } as const;
export type InstanceKind = (typeof InstanceKind)[keyof typeof InstanceKind];

export type Heartbeat = {
  kind: InstanceKind;
  groupId: number;
  instanceId: string;
  store: string;
  host: string;
  idle: boolean;
  namesGroup?: boolean;
  /** Of a consumer: what it takes (encodeTopics). */
  topics?: string | null;
};

/** Instances silent for longer are removed when a new one comes, milliseconds. Those of producers say who writes into an outbox database (shared-outbox.ts). */
const FORGET_PRODUCERS_AFTER_MS = 24 * 3600 * 1000;
/** Consumers': this many times the silence after which one counts as gone. */
const FORGET_CONSUMERS_AFTER = 20;
/** Instances that one look removes. */
const FORGET_AT_ONCE = 100;

/** Notes a sign of life. Index: PRIMARY of instance. */
export async function noteHeartbeat(ctx: StoreContext, beat: Heartbeat): Promise<void> {
  const where = 'WHERE kind = ? AND group_id = ? AND instance_id = ?';
  const key = [beat.kind, beat.groupId, beat.instanceId];
  const update = () =>
    run(ctx.knex, `UPDATE instance SET heartbeat_at = ${ctx.sql.now}, idle = ?, names_group = ?, host = ?, store = ?, topics = ? ${where}`, [
      beat.idle ? 1 : 0,
      beat.namesGroup ? 1 : 0,
      beat.host,
      beat.store,
      beat.topics ?? null,
      ...key,
    ]);
  if ((await update()).affected > 0) return;
  await forgetSilent(ctx, InstanceKind.PRODUCER, FORGET_PRODUCERS_AFTER_MS);
  await forgetSilent(ctx, InstanceKind.CONSUMER, FORGET_CONSUMERS_AFTER * ctx.policies.instanceGoneMs);
  try {
    await run(
      ctx.knex,
      `INSERT INTO instance (kind, group_id, instance_id, store, host, idle, names_group, topics, started_at, heartbeat_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ${ctx.sql.now}, ${ctx.sql.now})`,
      [...key, beat.store, beat.host, beat.idle ? 1 : 0, beat.namesGroup ? 1 : 0, beat.topics ?? null],
    );
  } catch (error) {
    if (!isDuplicate(error)) throw error;
    await update();
  }
}

/**
 * Removes some of the longest silent instances of a kind. One that wakes up after that registers anew by its next heartbeat. Index: instance_heartbeat
 * (kind, heartbeat_at), and PRIMARY.
 */
async function forgetSilent({ knex, sql }: StoreContext, kind: InstanceKind, afterMs: number): Promise<void> {
  const silent = `kind = ${kind} AND heartbeat_at < ${sql.now} - ?`;
  const { rows } = await runOnPrimary<{ group_id: number; instance_id: string }>(
    knex,
    `SELECT group_id, instance_id FROM instance WHERE ${silent} ORDER BY heartbeat_at LIMIT ${FORGET_AT_ONCE}`,
    [afterMs],
  );
  for (const [groupId, some] of Map.groupBy(rows, (row) => row.group_id)) {
    const ids = some.map((row) => row.instance_id);
    await run(knex, `DELETE FROM instance WHERE ${silent} AND group_id = ? AND instance_id IN (${placeholders(ids.length)})`, [
      afterMs,
      groupId,
      ...ids,
    ]);
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
 * Condition on an instance: its heartbeats come. With the time after which one counts as gone as its value, twice: a heartbeat further in the future is from
 * before the database's clock was set back, and says nothing.
 */
export const isLive = ({ now }: Dialect) => `heartbeat_at > ${now} - ? AND heartbeat_at <= ${now} + ?`;
