import { run, runOnPrimary } from '@tpc/core';
import { differingSubscriptions, type LiveInstance, type Subscribed, untakenSubscriptions } from '../../domain/live-instances.ts';
import type { StoreContext } from '../base/context.ts';
import { ALL_TAGS } from '../registration/subscription-view.ts';
import { bringForward } from './bring-forward.ts';
import { readLiveInstances } from './live-instances.ts';
import { unmarkTaken } from './not-taken.ts';
import { decodeFaults, encodeFaults, type StoredFaults, type SubscriptionFaults, type SubscriptionReview } from './subscription-faults.ts';

type GroupRow = StoredFaults & { id: number; name: string };

/**
 * Compares what the live instances of each group take, and notes what is wrong with the group (Store.reviewSubscriptions). When something is no longer wrong,
 * the group's open copies are made due first: what the broker gave to the wrong instance, or to none, is then published again. A death in between, or
 * another replica at the same time, makes them due once more, which costs a look at each. While nobody of a group lives, what was found last stays.
 */
export async function reviewSubscriptions(ctx: StoreContext): Promise<SubscriptionReview[]> {
  const { rows: groups } = await ctx.retry(() =>
    runOnPrimary<GroupRow>(ctx.knex, 'SELECT id, name, differing, untaken FROM consumer_group WHERE inbox_store IS NOT NULL'),
  );
  const live = await ctx.retry(() => readLiveInstances(ctx));
  const subscribed = await ctx.retry(() => readSubscribed(ctx));
  const reviews: SubscriptionReview[] = [];
  for (const group of groups) {
    const instances = live.get(group.id);
    if (instances === undefined) continue;
    const faults = { differing: differingSubscriptions(instances), untaken: untakenSubscriptions(subscribed.get(group.id) ?? [], instances) };
    const review = await noteFaults(ctx, group, instances, faults);
    if (review !== undefined) reviews.push(review);
  }
  return reviews;
}

/** @returns what has changed by this call; undefined: nothing has, or another replica was first */
async function noteFaults(
  ctx: StoreContext,
  group: GroupRow,
  instances: readonly LiveInstance[],
  faults: SubscriptionFaults,
): Promise<SubscriptionReview | undefined> {
  const stored = encodeFaults(faults);
  if (stored.differing === group.differing && stored.untaken === group.untaken) return undefined;
  const ended = hasEnded(decodeFaults(group), faults);
  const due = ended ? await bringForward(ctx, group.id) : 0;
  if (ended) await unmarkTaken(ctx, group.id, instances);
  const { affected } = await ctx.retry(() =>
    run(ctx.knex, `UPDATE consumer_group SET differing = ?, untaken = ? WHERE id = ? AND COALESCE(differing, '') = ? AND COALESCE(untaken, '') = ?`, [
      stored.differing,
      stored.untaken,
      group.id,
      group.differing ?? '',
      group.untaken ?? '',
    ]),
  );
  return affected === 0 ? undefined : { consumerGroup: group.name, ...faults, due };
}

function hasEnded(before: SubscriptionFaults, now: SubscriptionFaults): boolean {
  return before.differing.some((name) => !now.differing.includes(name)) || before.untaken.some((name) => !now.untaken.includes(name));
}

async function readSubscribed({ knex }: StoreContext): Promise<Map<number, Subscribed[]>> {
  const { rows } = await runOnPrimary<{ group_id: number; topic: string; tag: string }>(
    knex,
    'SELECT s.group_id, t.name AS topic, s.tag FROM subscription s JOIN topic t ON t.id = s.topic_id WHERE s.active = 1',
  );
  const byGroup = Map.groupBy(rows, (row) => row.group_id);
  return new Map([...byGroup].map(([id, some]) => [id, some.map(({ topic, tag }) => ({ topic, tag: tag === ALL_TAGS ? undefined : tag }))]));
}
