import { Verdict } from '@tpc/gen/tpc/v1/reliable_message_service';

/** States of an outbox row, as stored. */
export const OUTBOX_PENDING = 10;
export const OUTBOX_ACKNOWLEDGED = 20;
/** The barrier: written by a check-back where no business transaction had written the key, so that none can any more. */
export const OUTBOX_ROLLED_BACK = 90;

/** What a row that is there, and not locked by an open transaction, says about its business transaction. */
export function verdictOf(state: number): Verdict {
  if (state === OUTBOX_ROLLED_BACK) return Verdict.VERDICT_ROLLED_BACK;
  if (state === OUTBOX_PENDING || state === OUTBOX_ACKNOWLEDGED) return Verdict.VERDICT_COMMITTED;
  // A state of a newer library: silence is no consent.
  return Verdict.VERDICT_UNSPECIFIED;
}
