import { run } from '@tpc/core';
import { isDuplicate } from './retrying.ts';
import type { StoreBase } from './types/base.ts';

/** A group has received something of a topic that had been published at this time. */
export type Progress = { groupId: number; topicId: number; publishedAt: number };

/** Smaller steps are not written: the rule that reads it looks back a minute. Milliseconds. */
const STEP_MS = 2_000;

/**
 * Notes how far groups have come, after the marks have committed: only a hint for redeliveries, so it is written outside their transaction and only
 * in steps. A row per group and topic would else be the hottest of all. Index: PRIMARY of group_progress.
 */
export class GroupProgress {
  /** What this process has written, by group and topic; only saves writes, the table decides. */
  readonly #written = new Map<string, number>();

  /** The table may lack the last of it. */
  forget(): void {
    this.#written.clear();
  }

  async note(ctx: Pick<StoreBase, 'knex' | 'sql' | 'retry'>, progress: readonly Progress[]): Promise<void> {
    for (const [key, parts] of Map.groupBy(progress, (one) => `${one.groupId} ${one.topicId}`)) {
      const latest = Math.max(...parts.map((one) => one.publishedAt));
      if (latest < (this.#written.get(key) ?? Number.NEGATIVE_INFINITY) + STEP_MS) continue;
      const { groupId, topicId } = parts[0] as Progress;
      await ctx.retry(() => raise(ctx, { groupId, topicId, publishedAt: latest }));
      this.#written.set(key, latest);
    }
  }
}

async function raise(ctx: Pick<StoreBase, 'knex' | 'sql'>, { groupId, topicId, publishedAt }: Progress): Promise<void> {
  const update = () =>
    run(
      ctx.knex,
      `UPDATE group_progress SET latest_published_at = CASE WHEN latest_published_at < ? THEN ? ELSE latest_published_at END, updated_at = ${ctx.sql.now}
       WHERE group_id = ? AND topic_id = ?`,
      [publishedAt, publishedAt, groupId, topicId],
    );
  if ((await update()).affected > 0) return;
  try {
    await run(ctx.knex, `INSERT INTO group_progress (group_id, topic_id, latest_published_at, updated_at) VALUES (?, ?, ?, ${ctx.sql.now})`, [
      groupId,
      topicId,
      publishedAt,
    ]);
  } catch (error) {
    if (!isDuplicate(error)) throw error;
    await update();
  }
}
