import { run, runOnPrimary } from '@tpc/core';
import type { Refusal } from '../../domain/reasons.ts';
import type { StoreContext } from '../base/context.ts';
import { readEpoch } from '../base/read-epoch.ts';
import { isDuplicate } from '../base/retrying.ts';
import type { Maker } from '../quotas/quotas.ts';
import type { RegisterProducer, RegisterProducerResult } from '../store-types.ts';
import { InstanceKind, noteHeartbeat, touchInstance } from './instances.ts';
import { groupInTheWay } from './shared-outbox.ts';

/** Notes a producer instance and its topics (Store.registerProducer). Each statement by itself: all of them may be repeated. */
export async function registerProducer(ctx: StoreContext, registration: RegisterProducer): Promise<RegisterProducerResult | Refusal> {
  const { producerGroup, storeId: store, instanceId, host, namesGroup } = registration;
  const { producerGroupId: groupId } = await ctx.names.owner(producerGroup, store);
  const other = await ctx.retry(() => groupInTheWay(ctx, { groupId, store, namesGroup }));
  if (other !== undefined) return { refused: 'OUTBOX_SHARED', metadata: { producer_group: producerGroup, other_group: other } };
  const beat = { kind: InstanceKind.PRODUCER, groupId, instanceId, store, host, idle: false, namesGroup: namesGroup ?? false };
  await ctx.retry(() => noteHeartbeat(ctx, beat));
  await noteTopics(ctx, { kind: 'producer', groupId, group: producerGroup }, registration.topics);
  return { epoch: await ctx.retry(() => readEpoch(ctx)) };
}

async function noteTopics(ctx: StoreContext, maker: Maker, topics: readonly string[]): Promise<void> {
  if (topics.length === 0) return;
  const { rows } = await ctx.retry(() =>
    runOnPrimary<{ topic_id: number }>(ctx.knex, 'SELECT topic_id FROM producer_topic WHERE producer_group_id = ?', [maker.groupId]),
  );
  const known = new Set(rows.map((row) => row.topic_id));
  for (const name of new Set(topics)) {
    const topicId = await ctx.names.topic(name, maker);
    if (!known.has(topicId)) await ctx.retry(() => addTopic(ctx, maker.groupId, topicId));
  }
}

async function addTopic(ctx: StoreContext, producerGroupId: number, topicId: number): Promise<void> {
  try {
    await run(ctx.knex, `INSERT INTO producer_topic (producer_group_id, topic_id, created_at) VALUES (?, ?, ${ctx.sql.now})`, [
      producerGroupId,
      topicId,
    ]);
  } catch (error) {
    // Another instance of the group was first.
    if (!isDuplicate(error)) throw error;
  }
}

/** See Store.touchProducerInstance. */
export async function touchProducerInstance(
  ctx: StoreContext,
  instance: { producerGroup: string; storeId: string; instanceId: string },
): Promise<void> {
  const { producerGroupId } = await ctx.names.owner(instance.producerGroup, instance.storeId);
  await ctx.retry(() => touchInstance(ctx, InstanceKind.PRODUCER, producerGroupId, instance.instanceId));
}
