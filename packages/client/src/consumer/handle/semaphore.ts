/**
 * At most `limit` pieces of work at once. The others wait; whoever waits with many pieces gets no more of the places than whoever waits with one: the owners
 * take turns.
 */
export class Semaphore {
  #free: number;
  /** By owner, the one whose turn is next first. */
  readonly #waiting = new Map<unknown, (() => void)[]>();

  constructor(limit: number) {
    this.#free = limit;
  }

  /**
   * Takes a place, waiting for one if need be.
   * @param owner for whom, for example a message
   * @returns what gives it back; to be called once
   */
  async acquire(owner: unknown): Promise<() => void> {
    if (this.#free > 0) this.#free--;
    else await this.#turnOf(owner);
    return () => {
      const next = this.#takeNext();
      if (next === undefined) this.#free++;
      else next();
    };
  }

  async run<T>(owner: unknown, work: () => Promise<T>): Promise<T> {
    const release = await this.acquire(owner);
    try {
      return await work();
    } finally {
      release();
    }
  }

  #turnOf(owner: unknown): Promise<void> {
    const pieces = this.#waiting.get(owner) ?? [];
    this.#waiting.set(owner, pieces);
    return new Promise((resolve) => pieces.push(resolve));
  }

  /** The first piece of the owner whose turn it is; that owner is last in line then. */
  #takeNext(): (() => void) | undefined {
    for (const [owner, pieces] of this.#waiting) {
      const next = pieces.shift();
      this.#waiting.delete(owner);
      if (pieces.length > 0) this.#waiting.set(owner, pieces);
      return next;
    }
    return undefined;
  }
}
