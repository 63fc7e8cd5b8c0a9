import { runOnPrimary } from '@tpc/core';
import type { StoreBase } from '../types/base.ts';

/** The tag of a subscription that takes every tag. No message can carry it. */
export const ALL_TAGS = '*';

/** How long a yes is believed without a look, milliseconds. */
const FRESH_MS = 5_000;

const SELECT_SUBSCRIBED = 'SELECT DISTINCT t.name AS topic, s.tag AS tag FROM subscription s JOIN topic t ON t.id = s.topic_id WHERE s.active = 1';

type TopicAndTag = { topic: string; tag: string };

/**
 * Who subscribes what, remembered for a few seconds, so that a save costs no SELECT. Only a courtesy to producers: the confirm's transaction reads the
 * table itself. A no is never believed from memory.
 */
export class SubscriptionView {
  readonly #ctx: Pick<StoreBase, 'knex' | 'retry'>;
  readonly #clock: () => number;
  #tagsByTopic: Map<string, Set<string>> = new Map();
  #readAt = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | undefined;

  /** @param clock a monotonic clock, milliseconds */
  constructor(ctx: Pick<StoreBase, 'knex' | 'retry'>, clock: () => number) {
    this.#ctx = ctx;
    this.#clock = clock;
  }

  /** The next question is put to the table. */
  forget(): void {
    this.#readAt = Number.NEGATIVE_INFINITY;
  }

  /** For each of these, whether any group takes its topic and tag. One read at most, however many of them nobody takes. */
  async areTaken(wanted: readonly TopicAndTag[]): Promise<boolean[]> {
    const fresh = this.#clock() - this.#readAt < FRESH_MS;
    if (wanted.length > 0 && !(fresh && wanted.every((one) => this.#holds(one)))) await this.#read();
    return wanted.map((one) => this.#holds(one));
  }

  #holds({ topic, tag }: TopicAndTag): boolean {
    const tags = this.#tagsByTopic.get(topic);
    return tags !== undefined && (tags.has(ALL_TAGS) || tags.has(tag));
  }

  /** Callers that come while a read is under way wait for the next one: theirs must begin after they asked. */
  async #read(): Promise<void> {
    const before = this.#reading;
    if (before !== undefined) await before.catch(() => undefined);
    this.#reading ??= this.#load().finally(() => {
      this.#reading = undefined;
    });
    await this.#reading;
  }

  async #load(): Promise<void> {
    const startedAt = this.#clock();
    const { rows } = await this.#ctx.retry(() => runOnPrimary<{ topic: string; tag: string }>(this.#ctx.knex, SELECT_SUBSCRIBED));
    const tagsByTopic = new Map<string, Set<string>>();
    for (const { topic, tag } of rows) {
      const tags = tagsByTopic.get(topic) ?? new Set();
      tagsByTopic.set(topic, tags.add(tag));
    }
    this.#tagsByTopic = tagsByTopic;
    this.#readAt = startedAt;
  }
}
