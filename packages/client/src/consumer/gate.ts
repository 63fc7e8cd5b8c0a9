/**
 * Lets many handlers run beside each other, or one alone. First come, first served: one that wants to be alone waits for those before it, and
 * those who come later wait for it, so neither starves.
 */
export class Gate {
  #sharing = 0;
  #alone = false;
  readonly #waiting: { alone: boolean; enter: () => void }[] = [];

  /** Runs `work` beside others. */
  async shared<T>(work: () => Promise<T>): Promise<T> {
    await new Promise<void>((enter) => this.#join({ alone: false, enter }));
    try {
      return await work();
    } finally {
      this.#sharing--;
      this.#admit();
    }
  }

  /**
   * Runs `work` while nothing else runs.
   * @param patienceMs how long it may hold up those behind it while it waits
   * @returns undefined, and nothing was run, when its turn did not come in that time
   */
  async alone<T>(patienceMs: number, work: () => Promise<T>): Promise<T | undefined> {
    const admitted = await new Promise<boolean>((resolve) => {
      const timer = setTimeout(() => {
        const place = this.#waiting.indexOf(visitor);
        if (place < 0) return;
        this.#waiting.splice(place, 1);
        resolve(false);
        this.#admit();
      }, patienceMs);
      const enter = () => {
        clearTimeout(timer);
        resolve(true);
      };
      const visitor = { alone: true, enter };
      this.#join(visitor);
    });
    if (!admitted) return undefined;
    try {
      return await work();
    } finally {
      this.#alone = false;
      this.#admit();
    }
  }

  #join(visitor: { alone: boolean; enter: () => void }): void {
    this.#waiting.push(visitor);
    this.#admit();
  }

  #admit(): void {
    for (let next = this.#waiting[0]; next !== undefined && !this.#alone; next = this.#waiting[0]) {
      if (next.alone && this.#sharing > 0) return;
      this.#waiting.shift();
      if (next.alone) this.#alone = true;
      else this.#sharing++;
      next.enter();
    }
  }
}
