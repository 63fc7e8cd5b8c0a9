import { run, runOnPrimary } from '@tpc/core';
import type { Refusal } from '../../domain/reasons.ts';
import type { StoreContext } from '../base/context.ts';
import { readEpoch } from '../base/read-epoch.ts';
import { isDuplicate } from '../base/retrying.ts';
import { encodeTopics } from '../consumer-groups/live-instances.ts';
import { decodeFaults, type StoredFaults } from '../consumer-groups/subscription-faults.ts';
import type { Maker } from '../quotas/quotas.ts';
import type { RegisterConsumer, RegisterConsumerResult } from '../store-types.ts';
import { InstanceKind, noteHeartbeat } from './instances.ts';
import { ALL_TAGS } from './subscription-view.ts';

/**
 * Notes a consumer instance and widens its group's subscriptions (Store.registerConsumer). Each statement by itself, in an order in which a death in
 * between does no harm: bound first, subscribed next, seen alive last.
 */
export async function registerConsumer(ctx: StoreContext, registration: RegisterConsumer): Promise<RegisterConsumerResult | Refusal> {
  const groupId = await ctx.names.consumerGroup(registration.consumerGroup);
  const group = await ctx.retry(() => bindInboxStore(ctx, groupId, registration.storeId));
  if (group?.inbox_store !== registration.storeId)
    return { refused: 'INBOX_STORE_CONFLICT', metadata: { consumer_group: registration.consumerGroup } };
  const maker = { kind: 'consumer', groupId, group: registration.consumerGroup } as const;
  const added = await widen(ctx, maker, registration.subscriptions);
  const { instanceId, storeId: store, host, idle } = registration;
  const topics = encodeTopics(registration.subscriptions);
  await ctx.retry(() => noteHeartbeat(ctx, { kind: InstanceKind.CONSUMER, groupId, instanceId, store, host, idle, topics }));
  return { epoch: await ctx.retry(() => readEpoch(ctx)), added, faults: decodeFaults(group) };
}

type GroupRow = StoredFaults & { inbox_store: string | null };

/** The first inbox database of a group stays its only one; of two at once, the statement's guard lets one through. @returns the group, bound */
async function bindInboxStore(ctx: StoreContext, groupId: number, store: string): Promise<GroupRow | undefined> {
  const read = async () =>
    (await runOnPrimary<GroupRow>(ctx.knex, 'SELECT inbox_store, differing, untaken FROM consumer_group WHERE id = ?', [groupId])).rows[0];
  const before = await read();
  if (before?.inbox_store !== null) return before;
  await run(ctx.knex, 'UPDATE consumer_group SET inbox_store = ? WHERE id = ? AND inbox_store IS NULL', [store, groupId]);
  return read();
}

/**
 * Adds what is not there; never removes, so that an old instance during a rollout cannot narrow its group. A subscription that an operator removed
 * stays removed. @returns how many were added
 */
async function widen(ctx: StoreContext, maker: Maker, subscriptions: RegisterConsumer['subscriptions']): Promise<number> {
  const { groupId } = maker;
  const { rows } = await ctx.retry(() =>
    runOnPrimary<{ topic_id: number; tag: string }>(ctx.knex, 'SELECT topic_id, tag FROM subscription WHERE group_id = ?', [groupId]),
  );
  const known = new Set(rows.map((row) => `${row.topic_id} ${row.tag}`));
  let added = 0;
  for (const { topic, tags } of subscriptions) {
    const topicId = await ctx.names.topic(topic, maker);
    for (const tag of new Set(tags.length === 0 ? [ALL_TAGS] : tags)) {
      if (known.has(`${topicId} ${tag}`)) continue;
      if (tag !== ALL_TAGS) await ctx.names.tag(topicId, tag, maker);
      if (await ctx.retry(() => addSubscription(ctx, groupId, topicId, tag))) added++;
      known.add(`${topicId} ${tag}`);
    }
  }
  return added;
}

async function addSubscription(ctx: StoreContext, groupId: number, topicId: number, tag: string): Promise<boolean> {
  try {
    await run(ctx.knex, `INSERT INTO subscription (topic_id, group_id, tag, active, created_at) VALUES (?, ?, ?, 1, ${ctx.sql.now})`, [
      topicId,
      groupId,
      tag,
    ]);
    return true;
  } catch (error) {
    if (isDuplicate(error)) return false;
    throw error;
  }
}
