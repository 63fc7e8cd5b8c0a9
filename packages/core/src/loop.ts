import { timerMs } from './time.ts';

/** Does one piece of work. @returns how long to wait before the next, milliseconds; 0: only for what else is due in the event loop */
export type Turn = (signal: AbortSignal) => Promise<number>;

export type LoopOptions = {
  /** Must end soon after its signal is aborted, by which the loop is stopped. */
  turn: Turn;
  /**
   * Told of a turn that failed while the loop was not being stopped.
   * @param failures how many in a row, from 1
   * @returns how long to wait before the next turn, milliseconds
   */
  onError: (error: unknown, failures: number) => number;
};

type Run = { ending: AbortController; wake: () => void; woken: boolean; done: Promise<void> };

/**
 * The shape of every background duty: it works, waits for its time or to be woken, works again, outlives its errors, and stops in order. It may be
 * started again after a stop.
 */
export class Loop {
  readonly #options: LoopOptions;
  #run: Run | undefined;

  constructor(options: LoopOptions) {
    this.#options = options;
  }

  /** @param waitMs before the first turn, milliseconds */
  start(waitMs?: number): void {
    if (this.#run) return;
    const run: Run = { ending: new AbortController(), wake: () => undefined, woken: false, done: Promise.resolve() };
    this.#run = run;
    run.done = this.#repeat(run, waitMs);
  }

  /** Ends the wait; during a turn, the next one follows at once. */
  wake(): void {
    if (!this.#run) return;
    this.#run.woken = true;
    this.#run.wake();
  }

  /** Ends the wait or, by the signal, the turn. Resolves when the last turn is over. */
  async stop(): Promise<void> {
    const run = this.#run;
    if (!run) return;
    run.ending.abort();
    run.wake();
    await run.done;
    if (this.#run === run) this.#run = undefined;
  }

  async #repeat(run: Run, firstWaitMs: number | undefined): Promise<void> {
    const { turn, onError } = this.#options;
    const { signal } = run.ending;
    if (firstWaitMs !== undefined) await nap(run, firstWaitMs);
    for (let failures = 0; !signal.aborted; ) {
      run.woken = false;
      let waitMs: number;
      try {
        waitMs = await turn(signal);
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        waitMs = onError(error, ++failures);
      }
      await nap(run, waitMs);
    }
  }
}

function nap(run: Run, ms: number): Promise<void> {
  return new Promise((resolve) => {
    // Also where there is nothing to wait for, what else is due comes first.
    if (ms <= 0 || run.woken || run.ending.signal.aborted) return void setImmediate(resolve);
    const timer = setTimeout(resolve, timerMs(ms));
    run.wake = () => {
      clearTimeout(timer);
      resolve();
    };
  });
}
