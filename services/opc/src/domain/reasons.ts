/**
 * Every reason that OPC gives: for messages and effects that finally failed (they travel to TPC and stand in the inbox), and for refused calls.
 * The OPC1004… codes are the original's and never change; new reasons have a speaking code, which is its own name. docs/errors.md lists them.
 */

/** Of failures that no call answers: they are reported to TPC and stand in the inbox. */
// Stryker disable next-line StringLiteral: docs/errors.md is made of it, and npm run lint compares the two.
const REPORTED = 'reported';

export type ReasonEntry = {
  /** For programs, never changes. */
  code: string;
  /** Name of the gRPC status of a refused call. */
  status: 'NOT_FOUND' | 'INVALID_ARGUMENT' | 'UNAVAILABLE' | typeof REPORTED;
  /** What it means, for people. */
  message: string;
  /** What to do about it, for operators. */
  action: string;
};

// Stryker disable StringLiteral,ObjectLiteral: docs/errors.md is made of this table, and npm run lint compares the two.
export const REASONS = {
  MAIL_CONTENT_INVALID: {
    code: 'OPC10040005',
    status: REPORTED,
    message: 'No mail can be made from the body of the message.',
    action: 'The detail names the field. Correct the producer and send the event under a new key.',
  },
  MAIL_RECIPIENT_REFUSED: {
    code: 'MAIL_RECIPIENT_REFUSED',
    status: REPORTED,
    message: 'The mail server refuses the recipient for good.',
    action: 'The result holds its answer. Correct the address at the producer.',
  },
  MAIL_REFUSED: {
    code: 'MAIL_REFUSED',
    status: REPORTED,
    message: 'The mail server refuses this mail for good.',
    action: 'The result holds its answer: often the size or the content.',
  },
  MAIL_EXPIRED: {
    code: 'MAIL_EXPIRED',
    status: REPORTED,
    message: 'The mail server has put the mail off for as long as OPC_DEFER_LIFE_MS allows.',
    action: "The result holds its last answer: often the recipient's domain or mailbox. Resend the message when that is mended.",
  },
  NOTIFICATION_NOT_FOUND: {
    code: 'NOTIFICATION_NOT_FOUND',
    status: 'NOT_FOUND',
    message: 'The inbox has no message with this key.',
    action: 'Look the key up in TPC: the message may not be delivered yet, or cleaned away.',
  },
  FIELD_INVALID: {
    code: 'FIELD_INVALID',
    status: 'INVALID_ARGUMENT',
    message: 'A field of the request is not valid.',
    action: 'The field violations say what is wrong.',
  },
  PAGE_TOKEN_INVALID: {
    code: 'PAGE_TOKEN_INVALID',
    status: 'INVALID_ARGUMENT',
    message: 'The page token is not one of these filters.',
    action: 'Begin again without a page token.',
  },
  STORE_UNAVAILABLE: {
    code: 'STORE_UNAVAILABLE',
    status: 'UNAVAILABLE',
    message: "OPC's database does not answer.",
    action: 'Try again later.',
  },
} as const satisfies Record<string, ReasonEntry>;
// Stryker restore StringLiteral,ObjectLiteral

/** Name of a reason: ErrorInfo.metadata.name. */
export type ReasonName = keyof typeof REASONS;
