import { runOnPrimary } from '@tpc/core';
import type { StoreContext } from '../base/context.ts';
import { readConsumerGroups } from '../operators/read-backlog.ts';
import { ALL_TAGS } from '../registration/subscription-view.ts';
import type { ConsumerGroupView, ListConsumerGroups } from '../store-types.ts';
import { decodeFaults, type StoredFaults } from './subscription-faults.ts';

type GroupRow = StoredFaults & { id: number; name: string; inbox_store: string };

/** Registered consumer groups (Store.listConsumerGroups): those that are bound to an inbox database. For people: as many statements as it takes. */
export async function listConsumerGroups(ctx: StoreContext, { after = '', limit, attentionOnly }: ListConsumerGroups): Promise<ConsumerGroupView[]> {
  return ctx.retry(async () => {
    const groups = await runOnPrimary<GroupRow>(
      ctx.knex,
      `SELECT id, name, inbox_store, differing, untaken FROM consumer_group
       WHERE inbox_store IS NOT NULL AND name > ?${attentionOnly ? ' AND (differing IS NOT NULL OR untaken IS NOT NULL)' : ''} ORDER BY name LIMIT ?`,
      [after, limit],
    );
    const open = new Map((await readConsumerGroups(ctx)).map((group) => [group.consumerGroup, group]));
    const subscriptions = await readSubscriptions(ctx);
    return groups.rows.map(({ id, name, inbox_store, ...faults }) => {
      const { instances = 0, unreceived = 0, dead = 0 } = open.get(name) ?? {};
      return { name, subscriptions: subscriptions.get(id) ?? [], storeId: inbox_store, instances, unreceived, dead, ...decodeFaults(faults) };
    });
  });
}

async function readSubscriptions({ knex }: StoreContext): Promise<Map<number, string[]>> {
  const { rows } = await runOnPrimary<{ group_id: number; topic: string; tag: string }>(
    knex,
    'SELECT s.group_id, t.name AS topic, s.tag FROM subscription s JOIN topic t ON t.id = s.topic_id WHERE s.active = 1 ORDER BY t.name, s.tag',
  );
  const all = new Map<number, string[]>();
  for (const { group_id, topic, tag } of rows) {
    const words = tag === ALL_TAGS ? topic : `${topic}:${tag}`;
    all.set(group_id, [...(all.get(group_id) ?? []), words]);
  }
  return all;
}
