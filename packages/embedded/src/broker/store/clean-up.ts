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
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(queue: CommitQueue, store: BrokerStore, options: CleanUpOptions) {
    this.#queue = queue;
    this.#store = store;
    this.#options = options;
  }

  start(): void {
    this.#plan(0, BETWEEN_ROUNDS_MS);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #plan(after: number, waitMs: number): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => void this.#step(after), waitMs);
  }

  async #step(after: number): Promise<void> {
    try {
      const { after: next } = await this.#queue.submit(() => {
        const now = Date.now();
        const { retentionMs, settledRetentionMs } = this.#options;
        return this.#store.cleanUp(after, { olderThan: now - retentionMs, settledOlderThan: now - settledRetentionMs, count: STEP });
      });
      this.#plan(next ?? 0, next === undefined ? BETWEEN_ROUNDS_MS : BETWEEN_STEPS_MS);
    } catch {
      // A full disk or a closed file: nothing is lost by trying again in the next round.
      this.#plan(0, BETWEEN_ROUNDS_MS);
    }
  }
}
