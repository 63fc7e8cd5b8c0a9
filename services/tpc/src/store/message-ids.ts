import type { StoreContext } from './context.ts';
import { findMessageIds } from './lock-messages.ts';

/** About 3 MB. A message is confirmed and reported within a second or so; what is older is looked up. */
const MAX_IDS = 20_000;

/**
 * Ids of messages that this process has lately stored or locked. They save a look by key before rows are locked by id. Only hints: an id may be of
 * another row by now, or was never of this one, so whoever locks a row by it looks at the row's key (`byMessageKey`).
 */
export class MessageIds {
  readonly #ids = new Map<string, number>();

  note(messageKey: string, id: number): void {
    this.#ids.set(messageKey, id);
    if (this.#ids.size <= MAX_IDS) return;
    for (const oldest of this.#ids.keys()) {
      this.#ids.delete(oldest);
      break;
    }
  }

  get(messageKey: string): number | undefined {
    return this.#ids.get(messageKey);
  }

  forget(messageKey: string): void {
    this.#ids.delete(messageKey);
  }
}

/**
 * Does work for messages by their ids: those that are remembered, and those that the table tells. What turns out to be no message's id, or another's,
 * is looked up in the table and done again. Index: UNIQUE (message_key).
 * @param work for messages with these ids, by key; answers with the keys that had no such row
 */
export async function byMessageKey(
  ctx: Pick<StoreContext, 'knex' | 'retry' | 'ids'>,
  messageKeys: readonly string[],
  work: (idByKey: ReadonlyMap<string, number>) => Promise<readonly string[]>,
): Promise<void> {
  const remembered = new Map<string, number>();
  const others: string[] = [];
  for (const key of new Set(messageKeys)) {
    const id = ctx.ids.get(key);
    if (id === undefined) others.push(key);
    else remembered.set(key, id);
  }
  const found = await ctx.retry(() => findMessageIds(ctx.knex, others));
  const absent = await work(new Map([...remembered, ...found]));
  const stale = absent.filter((key) => remembered.has(key));
  if (stale.length === 0) return;
  for (const key of stale) ctx.ids.forget(key);
  await work(await ctx.retry(() => findMessageIds(ctx.knex, stale)));
}
