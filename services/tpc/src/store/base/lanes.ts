/**
 * A message that needs work or is followed stands in a lane: kind of work and owner in one number, which leads the claim index (lane, due_at). So a
 * claim of one owner never walks over another's rows, and the open messages can be counted without touching the settled ones.
 */
export const LaneKind = {
  /** Prepared; due_at is the next check-back. Owner: message_owner. */
  CHECK: 0,
  /** To be published, or claimed for it; due_at is the next try. Owner: message_owner. */
  PUBLISH: 1,
  /** Published, waits for its groups; due_at is when what they have not received becomes overdue, NULL after that. Owner: message_owner. */
  FOLLOW: 2,
  /** DEAD for want of a subscriber; due_at is when it came there. Owner: tag. */
  PARKED: 3,
} as const;
export type LaneKind = (typeof LaneKind)[keyof typeof LaneKind];

const KINDS = 4;

export function laneOf(kind: LaneKind, ownerId: number): number {
  return ownerId * KINDS + kind;
}

/** The same in SQL. @param owner column with the owner's id */
export function laneSql(kind: LaneKind, owner = 'owner_id'): string {
  return `${owner} * ${KINDS} + ${kind}`;
}

/** Expression for the kind of a row's lane. */
export const laneKindSql = `lane % ${KINDS}`;
