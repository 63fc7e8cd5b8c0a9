import { type RetryPolicy, waitBeforeRetry } from '@tpc/core';
import { ClaimNotRead } from './claim-not-read.ts';
import { codeOf } from './error-code.ts';
import type { Log } from './log.ts';

/** Waits after turns that failed. */
const AFTER_ERROR: RetryPolicy = { firstWaitMs: 200, factor: 2, maxWaitMs: 5_000, jitter: 0.2, maxAttempts: undefined };

/** Does one piece of work. @returns how long to wait before the next, milliseconds */
export type Turn = (signal: AbortSignal) => Promise<number>;

/** A background duty: takes turns until it is stopped, can be woken, and outlives its errors. */
export class Loop {
  readonly #name: string;
  readonly #turn: Turn;
  readonly #log: Log;
  readonly #ending = new AbortController();
  #running: Promise<void> | undefined;
  #wake: () => void = () => {};
  #woken = false;

  constructor(name: string, turn: Turn, log: Log) {
    this.#name = name;
    this.#turn = turn;
    this.#log = log;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Ends the wait; during a turn, the next one follows at once. */
  wake(): void {
    this.#woken = true;
    this.#wake();
  }

  /** Ends the wait or, by the signal, the turn. Resolves when the last turn is over. */
  async stop(): Promise<void> {
    this.#ending.abort();
    this.#wake();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#ending;
    let failures = 0;
    while (!signal.aborted) {
      this.#woken = false;
      let waitMs: number;
      try {
        waitMs = await this.#turn(signal);
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        waitMs = waitBeforeRetry(AFTER_ERROR, ++failures, Math.random());
        // Once per outage: a database that is away for an hour must not fill the log.
        if (failures === 1) this.#tell(error);
      }
      await this.#wait(waitMs);
    }
  }

  #tell(error: unknown): void {
    const fields = { duty: this.#name, error_code: codeOf(error) };
    if (error instanceof ClaimNotRead)
      this.#log.error({ ...fields, reason: error.message }, 'what was claimed could not be read; the claim is undone');
    else this.#log.warn(fields, 'a background duty failed; it is tried again until it succeeds');
  }

  #wait(ms: number): Promise<void> {
    if (this.#woken || this.#ending.signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
