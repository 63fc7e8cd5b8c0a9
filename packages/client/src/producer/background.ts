import { codeOf } from '../error-code.ts';
import type { Log } from '../log.ts';

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
    return within(deadlineMs, async () => {
      while (this.#under.size > 0) await Promise.all(this.#under);
    });
  }
}

/** @returns whether `work` was done within `ms` */
export async function within(ms: number, work: () => Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), Math.max(0, ms));
  });
  try {
    return await Promise.race([work().then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
