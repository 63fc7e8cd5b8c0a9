import type { Violation } from '@tpc/core';
import type { ReasonName } from './reasons.ts';

/** Violations that have an error code of their own, in the order in which the original system checked them. All others are FIELD_INVALID. */
const OWN_ERRORS: readonly ReasonName[] = ['DATA_EMPTY', 'KEY_EMPTY', 'TOPIC_EMPTY', 'BODY_EMPTY', 'PRODUCER_GROUP_EMPTY', 'DELAY_LEVEL_BAD'];

/** The error that stands for a request's violations. */
export function reasonOfViolations(violations: readonly Violation[]): ReasonName {
  const own = OWN_ERRORS.find((name) => violations.some((violation) => violation.reason === name));
  if (own !== undefined) return own;
  return violations.some((violation) => violation.reason.endsWith('_EMPTY')) ? 'ARGUMENT_EMPTY' : 'FIELD_INVALID';
}
