import type { StoreContext } from '../base/context.ts';
import { readPublishItems } from '../publishing/publish-items.ts';
import type { Claim, ConfirmItem, ConfirmOutcome, MessageContent, PublishItem } from '../store-types.ts';
import { type Settled, type Settlement, settleMessages } from './settle-messages.ts';

/** Confirms prepared messages (Store.confirmMessages). Index: UNIQUE (message_key), then PRIMARY. Locks: message rows by id. */
export async function confirmMessages(ctx: StoreContext, items: readonly ConfirmItem[], claim: Claim): Promise<ConfirmOutcome> {
  const settlements = items.map(({ messageKey, producerGroup }): Settlement => ({ messageKey, producerGroup, event: 'confirm' }));
  const settled = await settleMessages(ctx, settlements, claim);
  return toConfirmOutcome(ctx, settled, settlements, (index) => items[index]?.content);
}

/**
 * Adds the contents of what is to be published: from the caller's memory, else from the table. That read stands outside the transaction: its failure
 * must not undo what is committed, only leave the publishing to the end of the lease.
 */
export async function toConfirmOutcome(
  ctx: StoreContext,
  settled: Settled,
  items: readonly { messageKey: string; producerGroup: string }[],
  contentOf: (index: number) => MessageContent | undefined,
): Promise<ConfirmOutcome> {
  const publish: PublishItem[] = [];
  const unknown: number[] = [];
  for (const [messageId, index] of settled.claimed) {
    const item = items[index];
    const content = contentOf(index);
    if (item === undefined || content === undefined) unknown.push(messageId);
    else publish.push({ messageId, messageKey: item.messageKey, producerGroup: item.producerGroup, generation: 1, attempts: 0, content });
  }
  try {
    const read = await ctx.retry(() => readPublishItems(ctx.knex, unknown));
    return { results: settled.results, publish: [...publish, ...read.values()] };
  } catch (contentError) {
    return { results: settled.results, publish, contentError };
  }
}
