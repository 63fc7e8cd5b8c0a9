import { waitBeforeRetry } from '@tpc/core';

/** How a mail goes on that the mail server wants later. */
export type DeferralPolicy = {
  /** Wait after the first deferral, milliseconds; doubled each time. */
  firstWaitMs: number;
  /** Longest wait, milliseconds. */
  maxWaitMs: number;
  /** How long a mail may be deferred in all, milliseconds. */
  lifeMs: number;
  /** Deferrals after which a mail has failed; undefined: its life alone decides. */
  maxDeferrals: number | undefined;
};

/** Share of a wait that is random, so that mails which were deferred together do not come back together. */
const JITTER = 0.2;

/**
 * How long a mail has waited after so many deferrals, by the policy's waits, milliseconds. Only what the server deferred counts: neither its own
 * outages nor ours make a mail older.
 */
export function deferredFor(deferrals: number, { firstWaitMs, maxWaitMs }: DeferralPolicy): number {
  const doublings = Math.max(0, Math.ceil(Math.log2(maxWaitMs / firstWaitMs)));
  const growing = Math.min(deferrals, doublings);
  return firstWaitMs * (2 ** growing - 1) + (deferrals - growing) * maxWaitMs;
}

/**
 * Decides about a mail that was deferred once more. The last try comes at the end of its life.
 * @param deferrals earlier ones
 * @param random a number in [0, 1), for the jitter
 * @returns the wait in milliseconds; undefined: it has failed
 */
export function waitAfterDeferral(deferrals: number, policy: DeferralPolicy, random: number): number | undefined {
  const { firstWaitMs, maxWaitMs, lifeMs, maxDeferrals } = policy;
  const left = lifeMs - deferredFor(deferrals, policy);
  if (left <= 0 || deferrals + 1 >= (maxDeferrals ?? Number.POSITIVE_INFINITY)) return undefined;
  const doubling = { firstWaitMs, factor: 2, maxWaitMs: Math.min(maxWaitMs, left), jitter: JITTER, maxAttempts: undefined };
  return waitBeforeRetry(doubling, deferrals + 1, random);
}

const UNITS = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1_000],
] as const;

/** A length of time for people: "5 days", "90 minutes". */
export function inWords(ms: number): string {
  const [unit, length] = UNITS.find(([, size]) => ms >= 2 * size) ?? UNITS[3];
  const count = Math.round(ms / length);
  return `${count} ${unit}${count === 1 ? '' : 's'}`;
}
