import { runOnPrimary } from '@tpc/core';
import type { LiveInstance, TakenTopic } from '../../domain/live-instances.ts';
import type { StoreContext } from '../base/context.ts';
import { InstanceKind, isLive } from '../registration/instances.ts';
import type { RegisterConsumer } from '../store-types.ts';

type Row = { group_id: number; started_at: number; heartbeat_at: number; idle: number; topics: string | null };

/** The live instances of all consumer groups; a group without any is missing. Index: PRIMARY of instance. */
export async function readLiveInstances({ knex, sql, policies }: StoreContext): Promise<Map<number, LiveInstance[]>> {
  const { rows } = await runOnPrimary<Row>(
    knex,
    `SELECT group_id, started_at, heartbeat_at, idle, topics FROM instance WHERE kind = ${InstanceKind.CONSUMER} AND ${isLive(sql)}`,
    [policies.instanceGoneMs, policies.instanceGoneMs],
  );
  const byGroup = Map.groupBy(rows, (row) => row.group_id);
  return new Map([...byGroup].map(([groupId, ofGroup]) => [groupId, ofGroup.map(toLiveInstance)]));
}

function toLiveInstance({ started_at, heartbeat_at, idle, topics }: Row): LiveInstance {
  return { startedAt: started_at, heartbeatAt: heartbeat_at, idle: idle === 1, topics: topics === null ? undefined : decodeTopics(topics) };
}

/**
 * What an instance takes, as it is stored with its heartbeat. Entries of the same topic are one.
 * @returns null for an instance that does not say of each subscription whether it is idle: it may take more than it names in one call
 */
export function encodeTopics(subscriptions: RegisterConsumer['subscriptions']): string | null {
  if (subscriptions.some(({ idle }) => idle === undefined)) return null;
  const byTopic = [...Map.groupBy(subscriptions, ({ topic }) => topic)];
  const entries = byTopic.map(([topic, parts]): [string, TakenTopic] => {
    const all = parts.some(({ tags }) => tags.length === 0);
    const tags = all ? [] : [...new Set(parts.flatMap((part) => part.tags))];
    return [topic, { tags, idle: parts.every(({ idle }) => idle === true) }];
  });
  return JSON.stringify(entries);
}

function decodeTopics(stored: string): Map<string, TakenTopic> {
  return new Map(JSON.parse(stored) as [string, TakenTopic][]);
}
