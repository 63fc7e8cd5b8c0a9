import type { Refusal } from '../../domain/reasons.ts';
import type { StoreContext } from '../base/context.ts';
import type { SaveItem } from '../store-types.ts';

/** Refusals, by index, of the messages whose topic and tag nobody subscribes (TPC100500010). One look at the subscriptions for all of them. */
export async function refuseUnsubscribed(
  ctx: Pick<StoreContext, 'subscriptions'>,
  entries: readonly { item: SaveItem; index: number }[],
): Promise<Map<number, Refusal>> {
  const taken = await ctx.subscriptions.areTaken(entries.map(({ item }) => item.content));
  return new Map(
    entries.flatMap(({ item, index }, place): [number, Refusal][] => {
      const { topic, tag } = item.content;
      return taken[place] ? [] : [[index, { refused: 'NO_SUBSCRIBER', metadata: { topic, tag, message_key: item.messageKey } }]];
    }),
  );
}
