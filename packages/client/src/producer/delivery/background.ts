import { withDeadline } from '@tpc/core';
import { codeOf } from '../../error-code.ts';
import type { Log } from '../../log.ts';

/** Work that nobody waits for, counted, so that `stop` can. */
export class Background {
  readonly #log: Log;
  readonly #under = new Set<Promise<void>>();

  constructor(log: Log) {
    this.#log = log;
  }

  get size(): number {
    return this.#under.size;
  }

  run(what: string, work: () => Promise<void>): void {
    const done = work()
      .catch((error) => this.#log.warn({ work: what, error_code: codeOf(error) }, 'background work failed; the sweeper repeats it'))
      .finally(() => this.#under.delete(done));
    this.#under.add(done);
  }

  /** Waits until nothing is under way, at most `deadlineMs`. @returns whether that was reached */
  async drain(deadlineMs: number): Promise<boolean> {
    const drained = async () => {
      while (this.#under.size > 0) await Promise.all(this.#under);
      return true;
    };
    return withDeadline(drained(), deadlineMs, () => false);
  }
}
