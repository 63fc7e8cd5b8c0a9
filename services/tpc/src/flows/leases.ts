import { randomInt } from 'node:crypto';
import type { Claim } from '../store/store-types.ts';

/** A claim with its end on this process's monotonic clock. */
export type Lease = Claim & {
  /**
   * On the clock of `performance.now()`, milliseconds. Taken before the claim reaches the database, so that it never lies behind the end that the
   * database knows.
   */
  endsAt: number;
};

/** Claims begun within this time share a token, so that their results can be recorded together. Far below any lease, milliseconds. */
export const TOKEN_WINDOW_MS = 50;
/** Tokens are whole numbers that a double holds exactly; randomInt takes 48 bits. */
const TOKEN_LIMIT = 2 ** 48 - 1;

/**
 * Makes claims. A token is random and known before the statement that sets it, so it also says after a lost reply whose claim stands in the row. One
 * row is never claimed twice under one token, since a token is new after TOKEN_WINDOW_MS and a lease is longer.
 */
export function createLeases(leaseMs: number, now: () => number = () => performance.now()): () => Lease {
  let token = 0;
  let tokenSince = Number.NEGATIVE_INFINITY;
  return () => {
    const at = now();
    if (at - tokenSince > TOKEN_WINDOW_MS) {
      token = randomInt(1, TOKEN_LIMIT);
      tokenSince = at;
    }
    return { token, leaseMs, endsAt: at + leaseMs };
  };
}
