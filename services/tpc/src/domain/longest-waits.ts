import { longestWait, type RetryPolicy } from '@tpc/core';

/** A copy whose tag no live instance takes is looked at so many of the longest waits later: the review makes it due when the tag is taken again. */
export const UNTAKEN_WAITS = 6;
/** A due time may lie so much further ahead, milliseconds: small steps of the database's clock and a replica with other settings change nothing. */
const TOLERANCE_MS = 60_000;

/** What bounds the due times of a kind of row. Milliseconds from now. */
export type DueBound = {
  /** No due time that was set by the clock as it is now lies further ahead. */
  longestMs: number;
  /** When a row that lies further ahead is due instead: the wait that it would have been given now, and long enough for whoever has claimed it. */
  insteadMs: number;
};

export type DueBounds = {
  /** Prepared messages. */
  check: DueBound;
  /** Messages to be published, claimed or not. */
  publish: DueBound;
  /** Published messages, until they become overdue. */
  follow: DueBound;
  /** Copies that wait for their group. */
  waiting: DueBound;
  /** The same, where the group subscribes something that no instance takes. */
  waitingUntaken: DueBound;
  /** Copies that are to be published in any case, claimed or not. */
  urgent: DueBound;
};

type Waits = { check: RetryPolicy; publish: RetryPolicy; redeliver: RetryPolicy; overdueAfterMs: number };

/**
 * How far ahead the due times of each kind of row can lie; pure. Every wait that the store sets is one of these: one that is added or made longer belongs here. A
 * message with a delivery time is refused today, so no row waits for a time that a caller has chosen.
 * @param leaseMs of a claim to publish
 */
export function dueBounds({ check, publish, redeliver, overdueAfterMs }: Waits, leaseMs: number): DueBounds {
  const claimed = bound(Math.max(longestWait(publish), leaseMs), leaseMs);
  return {
    check: bound(longestWait(check), check.firstWaitMs),
    publish: claimed,
    follow: bound(overdueAfterMs, overdueAfterMs),
    waiting: bound(longestWait(redeliver), redeliver.firstWaitMs),
    waitingUntaken: bound(UNTAKEN_WAITS * longestWait(redeliver), redeliver.firstWaitMs),
    urgent: claimed,
  };
}

function bound(longestMs: number, insteadMs: number): DueBound {
  return { longestMs: Math.ceil(longestMs) + TOLERANCE_MS, insteadMs };
}
