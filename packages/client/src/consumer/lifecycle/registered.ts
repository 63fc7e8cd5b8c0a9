import { withDeadline } from '@tpc/core';

/** Those who wait until TPC has first accepted this instance. */
export class Registered {
  readonly #waiting = new Set<PromiseWithResolvers<void>>();
  #accepted = false;
  #over: Error | undefined;

  accept(): void {
    this.#accepted = true;
    for (const waiter of this.#waiting) waiter.resolve();
  }

  /** What does not mend itself: whoever waits now hears of it. Registration is tried on all the same, so that a later call may succeed. */
  refuse(error: Error): void {
    for (const waiter of this.#waiting) waiter.reject(error);
  }

  /** It will never be accepted any more. */
  end(error: Error): void {
    this.#over ??= error;
    this.refuse(error);
  }

  /**
   * @param why what stands in the way at the moment, in words; asked when the time is over
   * @throws Error when it is refused or ended, or with `why` after `timeoutMs`
   */
  async wait(timeoutMs: number, why: () => string): Promise<void> {
    if (this.#accepted) return;
    if (this.#over) throw this.#over;
    const waiter = Promise.withResolvers<void>();
    this.#waiting.add(waiter);
    await withDeadline(waiter.promise, timeoutMs, () => {
      throw new Error(`TPC has not accepted this consumer within ${timeoutMs} ms: ${why()}`);
    }).finally(() => this.#waiting.delete(waiter));
  }
}
