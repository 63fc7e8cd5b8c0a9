import { runOnPrimary } from '@tpc/core';
import { type LiveInstance, latestIdleSince } from '../../domain/live-instances.ts';
import { helpedUntil } from '../../domain/redelivery.ts';
import type { StoreContext } from '../base/context.ts';
import { selectEach } from '../base/select-per-group.ts';
import { readLiveInstances } from '../consumer-groups/live-instances.ts';
import { decodeFaults } from '../consumer-groups/subscription-faults.ts';

/** What a look for redeliveries knows about a consumer group. Times are the database's. */
export type GroupFacts = {
  id: number;
  name: string;
  /** What it subscribes and no instance takes, as last reviewed. */
  untaken: ReadonlySet<string>;
  /** Those that live. */
  instances: readonly LiveInstance[];
};

/** Copies of one group that are due and worth a look. */
export type DueCopies = {
  group: GroupFacts;
  /** 1: to be published in any case. 0: those that wait for the group. */
  urgent: 0 | 1;
  /** Those whose time has come by then. */
  until: number;
  /** How long there has been something to do for the first of them, milliseconds. */
  dueMs: number;
};

/**
 * The groups that have copies to look at: those that are to be published in any case, and those that wait for their group and that the group's progress or
 * idleness could help. So the copies of a group without a live instance and without progress are neither read nor written, however many they are
 * and however long it lasts: they keep their due time, and are first in line once the group is there again.
 * Index: confirm_group_due, two short looks at most for each group.
 */
export async function findDueCopies(ctx: StoreContext): Promise<DueCopies[]> {
  const { groups, now } = await readGroups(ctx);
  const looks = groups.flatMap(({ facts, latestProgressAt }): Omit<DueCopies, 'dueMs'>[] => {
    const until = waitingUntil(ctx, facts, latestProgressAt);
    const urgent = { group: facts, urgent: 1, until: now } as const;
    return until === undefined ? [urgent] : [urgent, { group: facts, urgent: 0, until: Math.min(now, until) }];
  });
  const asks = looks.map((look) => `FROM confirm WHERE ${rangeOf(look)}`);
  const firsts = await selectEach<{ due_at: number | null }>(ctx.knex, 'MIN(due_at) AS due_at', asks);
  return looks.flatMap((look, place) => {
    const dueAt = firsts[place]?.due_at ?? null;
    return dueAt === null ? [] : [{ ...look, dueMs: now - Math.max(dueAt, beginOf(look)) }];
  });
}

/** As numbers in the text, all of them ours: the range of the index that a look is about. */
export function rangeOf({ group, urgent, until }: Pick<DueCopies, 'group' | 'urgent' | 'until'>): string {
  return `group_id = ${group.id} AND urgent = ${urgent} AND due_at <= ${until}`;
}

/**
 * Up to which due time waiting copies could be helped. A copy is published at its confirm or later, and first due one wait after it: what is due later than
 * that was published too late to be helped now.
 */
function waitingUntil({ policies }: StoreContext, { instances }: GroupFacts, latestProgressAt: number | undefined): number | undefined {
  const published = helpedUntil({ idleSince: latestIdleSince(instances), latestProgressAt, overtakenByMs: policies.overtakenByMs });
  const { firstWaitMs, jitter } = policies.redeliver;
  return published === undefined ? undefined : published + Math.ceil(firstWaitMs * (1 + jitter));
}

/** What has waited for the group has something to do only since the group is there. */
function beginOf({ urgent, group }: Pick<DueCopies, 'urgent' | 'group'>): number {
  return urgent === 1 || group.instances.length === 0 ? 0 : Math.min(...group.instances.map(({ startedAt }) => startedAt));
}

type GroupRow = { id: number; name: string; now: number; untaken: string | null; progress_at: number | null };

/** All groups. A progress in the future is one from before the database's clock was set back, and says nothing. Index: PRIMARY of all three tables. */
async function readGroups(ctx: StoreContext): Promise<{ groups: { facts: GroupFacts; latestProgressAt: number | undefined }[]; now: number }> {
  const { knex, sql } = ctx;
  const { rows } = await runOnPrimary<GroupRow>(
    knex,
    `SELECT g.id, g.name, g.untaken, ${sql.now} AS now,
       (SELECT MAX(p.latest_published_at) FROM group_progress p WHERE p.group_id = g.id AND p.latest_published_at <= ${sql.now}) AS progress_at
     FROM consumer_group g`,
  );
  const live = await readLiveInstances(ctx);
  const groups = rows.map(({ id, name, untaken, progress_at }) => ({
    facts: { id, name, untaken: new Set(decodeFaults({ differing: null, untaken }).untaken), instances: live.get(id) ?? [] },
    latestProgressAt: progress_at ?? undefined,
  }));
  return { groups, now: rows[0]?.now ?? 0 };
}
