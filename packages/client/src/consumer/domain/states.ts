/** States of a row in `tpc_inbox`; the numbers are stored. */
export const InboxState = { RECEIVED: 10, CONSUMED: 30, DEAD: 50 } as const;
export type InboxState = (typeof InboxState)[keyof typeof InboxState];

/** States of a row in `tpc_inbox_effect`; the numbers are stored. */
export const EffectState = { OPEN: 10, DONE: 30, HELD: 40, DEAD: 50 } as const;
export type EffectState = (typeof EffectState)[keyof typeof EffectState];

/** What TPC must hear about a row; the numbers are stored. */
export const ReportKind = { RECEIVED: 1, CONSUMED: 2, FAILED: 3 } as const;
export type ReportKind = (typeof ReportKind)[keyof typeof ReportKind];

/** Reasons that the library itself gives. */
export const Reason = {
  BAD_MESSAGE: 'BAD_MESSAGE',
  POISON: 'POISON',
  RETRIES_EXHAUSTED: 'RETRIES_EXHAUSTED',
  TOO_LARGE: 'TOO_LARGE',
  UNSTORABLE: 'UNSTORABLE',
  EFFECT_FAILED: 'EFFECT_FAILED',
  EFFECT_UNCERTAIN: 'EFFECT_UNCERTAIN',
  /** A newer generation of the message is in the inbox. Never reported: TPC does not wait for this one. */
  SUPERSEDED: 'SUPERSEDED',
} as const;
