import { run } from '@tpc/core';
import { MessageState } from '../domain/states.ts';
import type { StoreContext } from './context.ts';
import { LaneKind, laneKindSql } from './lanes.ts';
import type { Backlog } from './store-types.ts';

/**
 * Counts and ages of what waits (Store.readBacklog), from the index of open messages alone: settled ones stand in no lane.
 * Index: message_lane_due (covers the first), confirm_group_due, message_attention.
 */
export function readBacklog(ctx: StoreContext): Promise<Backlog> {
  return ctx.retry(async () => {
    const lanes = await run<{ kind: number; n: number; overdue: number | null }>(
      ctx.knex,
      `SELECT ${laneKindSql} AS kind, COUNT(*) AS n, ${ctx.sql.now} - MIN(due_at) AS overdue FROM message WHERE lane IS NOT NULL GROUP BY ${laneKindSql}`,
    );
    const copies = await run<{ due_at: number | null; now: number }>(
      ctx.knex,
      `SELECT (SELECT c.due_at FROM confirm c WHERE c.group_id = g.id AND c.due_at <= ${ctx.sql.now} ORDER BY c.due_at LIMIT 1) AS due_at,
         ${ctx.sql.now} AS now FROM consumer_group g`,
    );
    const marked = await run<{ state: number; n: number }>(ctx.knex, 'SELECT state, COUNT(*) AS n FROM message WHERE attention = 1 GROUP BY state');
    const lane = (kind: LaneKind) => {
      const row = lanes.rows.find((one) => one.kind === kind);
      return { count: row?.n ?? 0, oldestDueMs: Math.max(0, row?.overdue ?? 0) };
    };
    const copyAges = copies.rows.map((row) => (row.due_at === null ? 0 : row.now - row.due_at));
    return {
      uncertain: lane(LaneKind.CHECK),
      unpublished: lane(LaneKind.PUBLISH),
      following: { count: lane(LaneKind.FOLLOW).count, oldestDueMs: Math.max(0, ...copyAges) },
      dead: marked.rows.find((row) => row.state === MessageState.DEAD)?.n ?? 0,
      attention: marked.rows.reduce((sum, row) => sum + row.n, 0),
    };
  });
}
