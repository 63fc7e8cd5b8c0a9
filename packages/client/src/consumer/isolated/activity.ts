import { withDeadline } from '@tpc/core';

/** How many handlers run in this process right now, of all topics together. */
export class Activity {
  #running = 0;
  #waiting: (() => void)[] = [];

  /** Counts `work` while it runs. Nothing here ever holds it up. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    this.#running++;
    try {
      return await work();
    } finally {
      this.#running--;
      if (this.#running === 0) for (const wake of this.#waiting.splice(0)) wake();
    }
  }

  /** Resolves at the next moment at which nothing runs, at the latest after `maxMs`. Whoever waits stops nobody. */
  async untilQuiet(maxMs: number): Promise<void> {
    if (this.#running === 0) return;
    const quiet = Promise.withResolvers<void>();
    this.#waiting.push(quiet.resolve);
    await withDeadline(quiet.promise, maxMs);
    this.#waiting = this.#waiting.filter((wake) => wake !== quiet.resolve);
  }
}
