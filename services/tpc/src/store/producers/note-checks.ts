import { placeholders, runOnPrimary } from '@tpc/core';
import { MessageState, Verdict } from '../../domain/states.ts';
import type { StoreContext } from '../base/context.ts';
import { addEvents, MAX_REPEATED_EVENTS } from '../base/message-events.ts';
import type { StateResult, VerdictItem } from '../store-types.ts';

type Row = { id: number; message_key: string; producer_group_id: number; store_id: number; state: MessageState; checks: number };

/**
 * Answers verdicts that settle nothing with the present state, and notes an IN_PROGRESS in the timeline (its first few times: it may repeat for ever).
 * No lock: nothing is decided here.
 */
export function noteChecks(ctx: StoreContext, items: readonly VerdictItem[]): Promise<StateResult[]> {
  if (items.length === 0) return Promise.resolve([]);
  return ctx.retry(async () => {
    const groups = await ctx.names.findProducerGroups(items.map((item) => item.producerGroup));
    const stores = await ctx.names.findStores(items.map((item) => item.storeId));
    const keys = items.map((item) => item.messageKey);
    const { rows } = await runOnPrimary<Row>(
      ctx.knex,
      `SELECT id, message_key, producer_group_id, store_id, state, checks FROM message WHERE message_key IN (${placeholders(keys.length)})`,
      keys,
    );
    const byKey = new Map(rows.map((row) => [row.message_key, row]));
    const mine = (item: VerdictItem) => {
      const row = byKey.get(item.messageKey);
      return row?.producer_group_id === groups.get(item.producerGroup) ? row : undefined;
    };
    const noted = items.filter((item) => item.verdict === Verdict.IN_PROGRESS).flatMap((item) => mine(item) ?? []);
    const few = noted.filter((row) => row.state === MessageState.WAITING_CONFIRM && row.checks <= MAX_REPEATED_EVENTS);
    const actor = items[0]?.producerGroup ?? '';
    await addEvents(
      ctx.knex,
      ctx,
      few.map((row) => ({ messageId: row.id, kind: 'CHECKED', actor, detail: 'IN_PROGRESS' })),
    );
    return items.map((item): StateResult => {
      const row = mine(item);
      const metadata = { message_key: item.messageKey };
      if (row === undefined) return { refused: 'MESSAGE_NOT_FOUND', metadata };
      return row.store_id === stores.get(item.storeId) ? { state: row.state } : { refused: 'STORE_MISMATCH', metadata };
    });
  });
}
