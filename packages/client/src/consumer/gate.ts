/**
 * Lets many handlers run beside each other, or one alone. First come, first served: one that wants to be alone waits for those before it, and
 * those who come later wait for it, so neither starves.
 */
export class Gate {
  #sharing = 0;
  #alone = false;
  readonly #waiting: { alone: boolean; enter: () => void }[] = [];

  /** Runs `work` beside others. */
  shared<T>(work: () => Promise<T>): Promise<T> {
    return this.#through(false, work);
  }

  /** Runs `work` while nothing else runs. */
  alone<T>(work: () => Promise<T>): Promise<T> {
    return this.#through(true, work);
  }

  async #through<T>(alone: boolean, work: () => Promise<T>): Promise<T> {
    await new Promise<void>((enter) => {
      this.#waiting.push({ alone, enter });
      this.#admit();
    });
    try {
      return await work();
    } finally {
      if (alone) this.#alone = false;
      else this.#sharing--;
      this.#admit();
    }
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
