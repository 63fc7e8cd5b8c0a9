import type { Violation } from '@tpc/core';
import type { ReasonName } from './reasons.ts';

/** Violations that have an error code of their own, in the order in which the original system checked them. All others are FIELD_INVALID. */
const OWN_ERRORS: readonly ReasonName[] = ['DATA_EMPTY', 'KEY_EMPTY', 'TOPIC_EMPTY', 'BODY_EMPTY', 'PRODUCER_GROUP_EMPTY', 'DELAY_LEVEL_BAD'];

/** The error that stands for a request's violations. */
export function reasonOfViolations(violations: readonly Violation[]): ReasonName {
  const own = OWN_ERRORS.find((name) => violations.some((violation) => violation.reason === name));
  if (own !== undefined) return own;
  if (violations.some((violation) => isEmpty(violation))) return 'ARGUMENT_EMPTY';
  return violations.every(({ reason }) => reason === 'BATCH_SIZE') ? 'BATCH_SIZE' : 'FIELD_INVALID';
}

/** The violations that this error speaks of; the others are told beside it. */
export function spokenOf(name: ReasonName, violations: readonly Violation[]): readonly Violation[] {
  if (name === 'ARGUMENT_EMPTY') return violations.filter(isEmpty);
  if (name === 'FIELD_INVALID') return violations.slice(0, 1);
  return violations.filter(({ reason }) => reason === name);
}

function isEmpty({ reason }: Violation): boolean {
  return reason.endsWith('_EMPTY');
}
