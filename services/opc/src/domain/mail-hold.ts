import { waitBeforeRetry } from '@tpc/core';

/**
 * Holds all mails back while the mail server cannot be had or refuses us (a circuit breaker). After each failure the hold grows, from the first wait to the
 * longest; then one mail at a time tries. A mail that is taken ends the hold. A check, which sends none, ends it only where no more than the
 * connection had failed. Pure: time and randomness come in as arguments.
 */
export type HoldPolicy = { firstWaitMs: number; maxWaitMs: number };

/** What a failure means for the mail that met it. */
export type HoldOutcome = {
  /** Milliseconds until the server is tried again. */
  waitMs: number;
  /** The failure began the hold, after the connection stood: the mail itself may be the reason, so it counts against its life. */
  mayBeTheMail: boolean;
};

/** A mail may go now, and says when its try has ended; or it waits. */
export type Admission = { done: () => void } | { waitMs: number };

/** Mails that find another's try under way come back after this long, milliseconds, unless the end of the hold wakes them. */
const BESIDE_A_TRY_MS = 1_000;
const JITTER = 0.2;

export class MailHold {
  readonly #policy: HoldPolicy;
  #failures = 0;
  #until = 0;
  /** Nothing but connections has failed. */
  // Stryker disable next-line BooleanLiteral: before the first failure there is nothing to end.
  #connectionOnly = true;
  #trying = false;

  constructor(policy: HoldPolicy) {
    this.#policy = policy;
  }

  get holds(): boolean {
    return this.#failures > 0;
  }

  /** @param now milliseconds of a steady clock */
  admit(now: number): Admission {
    if (!this.holds) return { done: () => undefined };
    if (now < this.#until) return { waitMs: this.#until - now };
    if (this.#trying) return { waitMs: BESIDE_A_TRY_MS };
    this.#trying = true;
    return {
      done: () => {
        this.#trying = false;
      },
    };
  }

  /** @param atConnection the failure came before any word about a mail */
  failed(atConnection: boolean, now: number, random: number): HoldOutcome {
    const mayBeTheMail = !this.holds && !atConnection;
    this.#connectionOnly = atConnection && (this.#connectionOnly || !this.holds);
    this.#failures++;
    const { firstWaitMs, maxWaitMs } = this.#policy;
    const waitMs = waitBeforeRetry({ firstWaitMs, factor: 2, maxWaitMs, jitter: JITTER, maxAttempts: undefined }, this.#failures, random);
    this.#until = now + waitMs;
    return { waitMs, mayBeTheMail };
  }

  /** A mail was taken. */
  taken(): void {
    this.#failures = 0;
  }

  /** A check has found the server there. */
  reachable(): void {
    if (this.#connectionOnly) this.taken();
  }
}
