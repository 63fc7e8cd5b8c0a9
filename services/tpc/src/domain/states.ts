/**
 * The numbers that stand in SQL and on the wire (`tpc.v1.MessageState`, `CancelKind`, `ConfirmStatus`). 10, 20 and 30 are those of the original
 * system (F-36). Which move is allowed when: `message-transitions.ts`.
 */
export const MessageState = {
  /** Prepared; waits to learn whether the producer's transaction committed. */
  WAITING_CONFIRM: 10,
  /** Committed; published and followed until every group has settled. */
  SENDING: 20,
  FINISHED: 30,
  CANCELLED: 40,
  /** Cannot go on by itself, for a stated reason. */
  DEAD: 50,
} as const;
export type MessageState = (typeof MessageState)[keyof typeof MessageState];

export const CancelKind = {
  NONE: 0,
  /** Deleted by the producer; a later save or confirm revives it. */
  ABORTED: 1,
  /** The barrier stands in the producer's database. Final. */
  ROLLED_BACK: 2,
  /** A delayed message taken back before it was published. Final. */
  REVOKED: 3,
} as const;
export type CancelKind = (typeof CancelKind)[keyof typeof CancelKind];

export const ConfirmStatus = {
  UNCONFIRMED: 10,
  RECEIVED: 20,
  CONSUMED: 30,
  /** Settled by an operator without being consumed. */
  SKIPPED: 40,
} as const;
export type ConfirmStatus = (typeof ConfirmStatus)[keyof typeof ConfirmStatus];

/** A producer's verdict on one of its prepared messages (`tpc.v1.Verdict`). NONE (unspecified, missing) never means yes. */
export const Verdict = { NONE: 0, COMMITTED: 1, ROLLED_BACK: 2, IN_PROGRESS: 3 } as const;
export type Verdict = (typeof Verdict)[keyof typeof Verdict];

/** Why a message or a group's copy is dead or needs attention; stored in SQL. A consumer group's own failure reasons are free codes beside these. */
export const DeadReason = {
  NO_SUBSCRIBER: 'NO_SUBSCRIBER',
  COMMIT_AFTER_ROLLBACK: 'COMMIT_AFTER_ROLLBACK',
  ROLLBACK_AFTER_COMMIT: 'ROLLBACK_AFTER_COMMIT',
  KEY_CONFLICT: 'KEY_CONFLICT',
  /** Committed, though it breaks the rules of contents: kept as it came. */
  CONTENT_INVALID: 'CONTENT_INVALID',
  BROKER_REFUSED: 'BROKER_REFUSED',
  /** Copies of a lost message stood at its id: the database's tables do not fit together, as after a restore of some of them. */
  STRAY_COPIES: 'STRAY_COPIES',
  /** At least one group has finally failed; its own reason stands on its confirm row. */
  GROUP_FAILED: 'GROUP_FAILED',
  /** A group has not received it for long; it is not dead, and this is shown rather than stored. */
  OVERDUE: 'OVERDUE',
} as const;
export type DeadReason = (typeof DeadReason)[keyof typeof DeadReason];

/** Why a copy that is not dead waits, and its message needs attention; stored in SQL beside the reasons above. */
export const WaitReason = {
  /** The group subscribes its tag, and no live instance of the group takes it. */
  TAG_NOT_TAKEN: 'TAG_NOT_TAKEN',
} as const;
export type WaitReason = (typeof WaitReason)[keyof typeof WaitReason];
