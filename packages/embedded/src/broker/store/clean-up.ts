import { Loop } from '@tpc/core';
import type { CommitQueue } from './commit-queue.ts';
import type { BrokerStore } from './store.ts';

/** Messages looked at in one step. Small, so that a step never holds up the calls beside it. */
const STEP = 500;
const BETWEEN_STEPS_MS = 50;
const BETWEEN_ROUNDS_MS = 10_000;

export type CleanUpOptions = { retentionMs: number; settledRetentionMs: number };

/** Deletes, in small steps, what is old and what all groups have settled, so that the file does not grow for ever. */
export class CleanUp {
  readonly #queue: CommitQueue;
  readonly #store: BrokerStore;
  readonly #options: CleanUpOptions;
  readonly #loop: Loop;
  /** Where the next step goes on. */
  #after = 0;

  constructor(queue: CommitQueue, store: BrokerStore, options: CleanUpOptions) {
    this.#queue = queue;
    this.#store = store;
    this.#options = options;
    // A full disk or a closed file: nothing is lost by trying again in the next round.
    this.#loop = new Loop({ turn: () => this.#step(), onError: () => this.#goOnAt(undefined) });
  }

  start(): void {
    this.#loop.start(BETWEEN_ROUNDS_MS);
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  async #step(): Promise<number> {
    const { after } = await this.#queue.submit(() => {
      const now = Date.now();
      const { retentionMs, settledRetentionMs } = this.#options;
      return this.#store.cleanUp(this.#after, { olderThan: now - retentionMs, settledOlderThan: now - settledRetentionMs, count: STEP });
    });
    return this.#goOnAt(after);
  }

  /** @param after undefined: the round is over. @returns the wait until then, milliseconds */
  #goOnAt(after: number | undefined): number {
    this.#after = after ?? 0;
    return after === undefined ? BETWEEN_ROUNDS_MS : BETWEEN_STEPS_MS;
  }
}
