import { run } from '@tpc/core';
import { isDuplicate } from '../base/retrying.ts';
import type { StoreBase } from '../types/base.ts';

/** A group has received something of a topic that had been published at this time. */
export type Progress = { groupId: number; topicId: number; publishedAt: number };

/** Smaller steps are not written: the rule that reads it looks back a minute. Milliseconds. */
const STEP_MS = 2_000;
/** After so long it is written in any case, milliseconds: what stands in the table may lie in the future since the database's clock was set back. */
const WRITE_AGAIN_MS = 60_000;

/**
 * Notes how far groups have come, after the marks have committed: only a hint for redeliveries, so it is written outside their transaction and only
 * in steps. A row per group and topic would else be the hottest of all. Index: PRIMARY of group_progress.
 */
export class GroupProgress {
  /** What this process has written, by group and topic; only saves writes, the table decides. */
  readonly #written = new Map<string, { publishedAt: number; at: number }>();
  readonly #clock: () => number;

  /** @param clock monotonic, milliseconds */
  constructor(clock: () => number) {
    this.#clock = clock;
  }

  /** The table may lack the last of it. */
  forget(): void {
    this.#written.clear();
  }

  async note(ctx: Pick<StoreBase, 'knex' | 'sql' | 'retry'>, progress: readonly Progress[]): Promise<void> {
    for (const [key, parts] of Map.groupBy(progress, (one) => `${one.groupId} ${one.topicId}`)) {
      const latest = Math.max(...parts.map((one) => one.publishedAt));
      const written = this.#written.get(key);
      const at = this.#clock();
      if (written !== undefined && latest < written.publishedAt + STEP_MS && at < written.at + WRITE_AGAIN_MS) continue;
      const { groupId, topicId } = parts[0] as Progress;
      await ctx.retry(() => raise(ctx, { groupId, topicId, publishedAt: latest }));
      this.#written.set(key, { publishedAt: latest, at });
    }
  }
}

/** A time in the future is from before the clock was set back: it neither replaces one that can be believed, nor outlasts one. */
async function raise(ctx: Pick<StoreBase, 'knex' | 'sql'>, { groupId, topicId, publishedAt }: Progress): Promise<void> {
  const { now } = ctx.sql;
  const update = () =>
    run(
      ctx.knex,
      `UPDATE group_progress SET updated_at = ${now}, latest_published_at =
         CASE WHEN ? <= ${now} AND (latest_published_at < ? OR latest_published_at > ${now}) THEN ? ELSE latest_published_at END
       WHERE group_id = ? AND topic_id = ?`,
      [publishedAt, publishedAt, publishedAt, groupId, topicId],
    );
  if ((await update()).affected > 0) return;
  try {
    await run(ctx.knex, `INSERT INTO group_progress (group_id, topic_id, latest_published_at, updated_at) VALUES (?, ?, ?, ${now})`, [
      groupId,
      topicId,
      publishedAt,
    ]);
  } catch (error) {
    if (!isDuplicate(error)) throw error;
    await update();
  }
}
