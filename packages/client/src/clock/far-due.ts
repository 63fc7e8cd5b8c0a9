/** A due time may lie so much further ahead than the longest wait, milliseconds: small steps of the database's clock and replicas with other options change nothing. */
export const TOLERANCE_MS = 60_000;
/** A clock is rarely set back. Milliseconds. */
const LOOK_EVERY_MS = 60_000;
const HUNDRED_YEARS_MS = 100 * 365 * 86_400_000;
/** Rows of one transaction. */
export const PULL_IN_AT_ONCE = 500;

export const CLOCK_SET_BACK = "rows were due later than any wait allows, and are due now; was the database's clock set back?";

/**
 * How far ahead the due time of a row can lie, when the waits and leases that it may have got are these. Whole milliseconds, at most a hundred years: a policy may
 * name no longest wait.
 */
export function beyond(...waitsMs: readonly number[]): number {
  return Math.min(HUNDRED_YEARS_MS, Math.ceil(Math.max(...waitsMs)) + TOLERANCE_MS);
}

/** The same look, that does nothing when it is asked for again within a minute. */
export function onceAMinute(look: () => Promise<void>): () => Promise<void> {
  let next = Number.NEGATIVE_INFINITY;
  return async () => {
    if (performance.now() < next) return;
    await look();
    next = performance.now() + LOOK_EVERY_MS;
  };
}
