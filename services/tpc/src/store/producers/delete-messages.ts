import type { StoreContext } from '../base/context.ts';
import type { DeleteItem, StateResult } from '../store-types.ts';
import { settleMessages } from './settle-messages.ts';

/** No delete makes a message SENDING, so the claim of the shared path is never used. */
const NO_CLAIM = { token: -1, leaseMs: 0 };

/** Cancels prepared messages (Store.deleteMessages). Index: UNIQUE (message_key), then PRIMARY. Locks: message rows by id. */
export async function deleteMessages(ctx: StoreContext, items: readonly DeleteItem[]): Promise<StateResult[]> {
  const settlements = items.map((item) => ({ ...item, event: 'delete' as const }));
  return (await settleMessages(ctx, settlements, NO_CLAIM)).results;
}
