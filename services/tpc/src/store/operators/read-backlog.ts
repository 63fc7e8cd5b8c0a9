import { run } from '@tpc/core';
import { MessageState } from '../../domain/states.ts';
import type { StoreContext } from '../base/context.ts';
import { LaneKind, laneKindSql } from '../base/lanes.ts';
import { selectPerGroup } from '../base/select-per-group.ts';
import { decodeFaults, type StoredFaults } from '../consumer-groups/subscription-faults.ts';
import { Attention } from '../overdue/attention.ts';
import { findDueCopies } from '../redelivery/due-copies.ts';
import { InstanceKind, isLive } from '../registration/instances.ts';
import type { Backlog, ConsumerGroupBacklog } from '../store-types.ts';

/** A prepared message older than this is uncertain: its producer has neither confirmed it nor answered for it. Milliseconds. */
export const UNCERTAIN_AFTER_MS = 60_000;

type LaneRow = { kind: number; topic_id: number; n: number; overdue: number | null };
type Named = { id: number; name: string };

/**
 * Counts and ages of what waits (Store.readBacklog), from the indexes of open messages and open copies alone: settled ones stand in no lane and are not
 * due. So it costs what is open, not what is stored. Index: message_lane_due (covers the lanes), message_attention, confirm_group_due (covers).
 */
export function readBacklog(ctx: StoreContext): Promise<Backlog> {
  return ctx.retry(async () => {
    const topics = await namesOf(ctx, 'topic');
    const lanes = await readLanes(ctx);
    const marked = await readMarked(ctx);
    const topic = (id: number) => topics.get(id) ?? '';
    const oldest = (kind: LaneKind) => Math.max(0, ...lanes.filter((row) => row.kind === kind).map((row) => row.overdue ?? 0));
    const count = (kind: LaneKind) => lanes.filter((row) => row.kind === kind).reduce((sum, row) => sum + row.n, 0);
    const consumerGroups = await readConsumerGroups(ctx);
    const redeliveryMs = Math.max(0, ...consumerGroups.map((group) => group.oldestDueMs));
    const open = lanes.filter((row) => row.kind !== LaneKind.PARKED);
    const dead = marked.filter((row) => row.state === MessageState.DEAD);
    return {
      uncertain: { count: count(LaneKind.CHECK), oldestDueMs: oldest(LaneKind.CHECK), ...(await readUncertain(ctx)) },
      unpublished: { count: count(LaneKind.PUBLISH), oldestDueMs: oldest(LaneKind.PUBLISH) },
      following: { count: count(LaneKind.FOLLOW), oldestDueMs: redeliveryMs },
      dead: dead.reduce((sum, row) => sum + row.n, 0),
      attention: marked.reduce((sum, row) => sum + row.n, 0),
      topics: [
        ...open.map((row) => ({ topic: topic(row.topic_id), state: STATE_OF_LANE[row.kind as LaneKind], count: row.n })),
        ...dead.map((row) => ({ topic: topic(row.topic_id), state: 'dead' as const, count: row.n })),
        ...[...topics.values()].map((name) => ({ topic: name, state: 'published' as const, count: 0 })),
      ],
      consumerGroups,
      producerGroups: await readProducerGroups(ctx),
    };
  });
}

const STATE_OF_LANE = {
  [LaneKind.CHECK]: 'waiting_confirm',
  [LaneKind.PUBLISH]: 'unpublished',
  [LaneKind.FOLLOW]: 'published',
  [LaneKind.PARKED]: 'dead',
} as const;

async function namesOf({ knex }: StoreContext, table: 'topic' | 'producer_group'): Promise<Map<number, string>> {
  const { rows } = await run<Named>(knex, `SELECT id, name FROM ${table}`);
  return new Map(rows.map((row) => [row.id, row.name]));
}

async function readLanes({ knex, sql }: StoreContext): Promise<LaneRow[]> {
  const { rows } = await run<LaneRow>(
    knex,
    `SELECT ${laneKindSql} AS kind, topic_id, COUNT(*) AS n, ${sql.now} - MIN(due_at) AS overdue FROM message WHERE lane IS NOT NULL
     GROUP BY ${laneKindSql}, topic_id`,
  );
  return rows;
}

async function readMarked({ knex }: StoreContext): Promise<{ state: number; topic_id: number; n: number }[]> {
  const { rows } = await run<{ state: number; topic_id: number; n: number }>(
    knex,
    'SELECT state, topic_id, COUNT(*) AS n FROM message WHERE attention = 1 GROUP BY state, topic_id',
  );
  return rows;
}

/** The prepared messages only are looked up in the table: few, unless a producer is away. */
async function readUncertain({ knex, sql }: StoreContext): Promise<{ old: number; oldestMs: number }> {
  const { rows } = await run<{ n: number; age: number | null }>(
    knex,
    `SELECT COUNT(*) AS n, ${sql.now} - MIN(created_at) AS age FROM message
     WHERE lane IS NOT NULL AND ${laneKindSql} = ${LaneKind.CHECK} AND created_at < ${sql.now} - ?`,
    [UNCERTAIN_AFTER_MS],
  );
  return { old: rows[0]?.n ?? 0, oldestMs: Math.max(0, rows[0]?.age ?? 0) };
}

/** What each group that was ever registered has open. */
export async function readConsumerGroups(ctx: StoreContext): Promise<ConsumerGroupBacklog[]> {
  const { knex } = ctx;
  const groups = await run<Named & StoredFaults>(knex, 'SELECT id, name, differing, untaken FROM consumer_group');
  const byId = new Map(groups.rows.map((row) => [row.id, row]));
  const copies = await selectPerGroup<{ n: number }>(knex, [...byId.keys()], 'COUNT(*) AS n', 'urgent IN (0, 1) AND due_at IS NOT NULL');
  const due = Map.groupBy(await findDueCopies(ctx), ({ group }) => group.id);
  const alive = await readAlive(ctx, InstanceKind.CONSUMER);
  const dead = await readMarkedCopies(ctx, `c.dead = 1 WHERE m.attention = ${Attention.NEEDED} AND m.dead_groups > 0`);
  const overdue = await readMarkedCopies(ctx, `c.overdue = 1 WHERE m.attention IN (${Attention.NEEDED}, ${Attention.OVERDUE})`);
  const subscribed = await run<{ group_id: number }>(knex, 'SELECT DISTINCT group_id FROM subscription WHERE active = 1');
  return copies.map((row) => ({
    consumerGroup: byId.get(row.id)?.name ?? '',
    ...decodeFaults(byId.get(row.id) ?? { differing: null, untaken: null }),
    unreceived: row.n,
    oldestDueMs: Math.max(0, ...(due.get(row.id) ?? []).map(({ dueMs }) => dueMs)),
    instances: alive.get(row.id) ?? 0,
    subscribed: subscribed.rows.some((one) => one.group_id === row.id),
    overdue: overdue.get(row.id) ?? 0,
    dead: dead.get(row.id) ?? 0,
  }));
}

/** From the messages that need attention, among which is every one with a dead or an overdue copy. */
async function readMarkedCopies({ knex }: StoreContext, which: string): Promise<Map<number, number>> {
  const { rows } = await run<{ group_id: number; n: number }>(
    knex,
    `SELECT c.group_id, COUNT(*) AS n FROM message m JOIN confirm c ON c.message_id = m.id AND ${which} GROUP BY c.group_id`,
  );
  return new Map(rows.map((row) => [row.group_id, row.n]));
}

async function readProducerGroups(ctx: StoreContext): Promise<{ producerGroup: string; instances: number }[]> {
  const alive = await readAlive(ctx, InstanceKind.PRODUCER);
  return [...(await namesOf(ctx, 'producer_group'))].map(([id, name]) => ({ producerGroup: name, instances: alive.get(id) ?? 0 }));
}

async function readAlive({ knex, sql, policies }: StoreContext, kind: InstanceKind): Promise<Map<number, number>> {
  const { rows } = await run<{ group_id: number; n: number }>(
    knex,
    `SELECT group_id, COUNT(*) AS n FROM instance WHERE kind = ${kind} AND ${isLive(sql)} GROUP BY group_id`,
    [policies.instanceGoneMs, policies.instanceGoneMs],
  );
  return new Map(rows.map((row) => [row.group_id, row.n]));
}
