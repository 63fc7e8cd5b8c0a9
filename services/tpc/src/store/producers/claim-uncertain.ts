import { inPacketTransaction, placeholders, run, runOnPrimary, waitBeforeRetry } from '@tpc/core';
import type { StoreContext } from '../base/context.ts';
import { LaneKind, laneOf } from '../base/lanes.ts';
import type { UncertainMessage } from '../store-types.ts';

type OwnerName = { producerGroup: string; storeId: string };
type Row = { id: number; message_key: string; topic: string; checks: number; created_at: number; traceparent: string; tracestate: string };

/**
 * Claims prepared messages of one owner that are due for a check-back (Store.claimUncertain). The claim is the next due time itself: nothing has
 * to be given back, and an instance that dies with them costs one wait.
 * Index: message_lane_due. Locks: message rows, skipping what others hold, so it never waits.
 */
export function claimUncertain(ctx: StoreContext, owner: OwnerName, limit: number): Promise<UncertainMessage[]> {
  return ctx.retry(async () => {
    const lane = laneOf(LaneKind.CHECK, (await ctx.names.owner(owner.producerGroup, owner.storeId)).ownerId);
    return inPacketTransaction(ctx.knex, async (tx) => {
      const locked = await run<{ id: number; checks: number }>(
        tx,
        `SELECT id, checks FROM message WHERE lane = ? AND due_at <= ${ctx.sql.now} ORDER BY due_at LIMIT ?${ctx.sql.forUpdateSkipLocked}`,
        [lane, limit],
      );
      if (locked.rows.length === 0) return [];
      for (const [checks, group] of Map.groupBy(locked.rows, (row) => row.checks)) {
        const wait = waitBeforeRetry(ctx.policies.check, checks + 2, ctx.random());
        await run(tx, `UPDATE message SET checks = checks + 1, due_at = ${ctx.sql.now} + ? WHERE id IN (${placeholders(group.length)})`, [
          wait,
          ...group.map((row) => row.id),
        ]);
      }
      const ids = locked.rows.map((row) => row.id);
      const { rows } = await run<Row>(
        tx,
        `SELECT m.id, m.message_key, t.name AS topic, m.checks, m.created_at, m.traceparent, m.tracestate FROM message m JOIN topic t ON t.id = m.topic_id
         WHERE m.id IN (${placeholders(ids.length)}) ORDER BY m.id`,
        ids,
      );
      return rows.map(toUncertain);
    });
  });
}

function toUncertain({ message_key, topic, checks, created_at, traceparent, tracestate }: Row): UncertainMessage {
  return { messageKey: message_key, topic, checkCount: checks - 1, createdAt: created_at, traceparent, tracestate };
}

/** See Store.nextUncertainInMs. Index: message_lane_due. */
export function nextUncertainInMs(ctx: StoreContext, owner: OwnerName): Promise<number | undefined> {
  return ctx.retry(async () => {
    const lane = laneOf(LaneKind.CHECK, (await ctx.names.owner(owner.producerGroup, owner.storeId)).ownerId);
    const { rows } = await runOnPrimary<{ wait_ms: number }>(
      ctx.knex,
      `SELECT due_at - ${ctx.sql.now} AS wait_ms FROM message WHERE lane = ? ORDER BY due_at LIMIT 1`,
      [lane],
    );
    return rows[0] === undefined ? undefined : Math.max(0, rows[0].wait_ms);
  });
}
