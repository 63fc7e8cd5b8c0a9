import { durationMs, type Violation } from '@tpc/core';
import type { Duration } from '@tpc/gen/google/protobuf/duration';
import { reasonText } from '../domain/reasons.ts';
import { reasonOfViolations, spokenOf } from '../domain/violations.ts';
import { appErrorOf } from './errors.ts';

/** A violation with further variables of the error that it leads to. */
type RequestViolation = Violation & { metadata?: Readonly<Record<string, string>> };

/** @throws AppError INVALID_ARGUMENT with all violations, unless there are none */
export function refuseViolations(violations: readonly RequestViolation[]): void {
  const [first] = violations;
  if (first === undefined) return;
  const name = reasonOfViolations(violations);
  const spoken: readonly RequestViolation[] = spokenOf(name, violations);
  const { field, metadata: more } = spoken[0] ?? first;
  const text = reasonText(name, { field: spoken.map((one) => one.field).join(', '), ...more });
  const words = name === 'FIELD_INVALID' ? `${text} ${first.description}` : text;
  // Many tools show the message alone: it says all that is wrong, each in its own words, and where.
  const beside = violations.filter((violation) => !spoken.includes(violation)).map((violation) => `${violation.field}: ${violation.description}`);
  throw appErrorOf(name, { field, ...more }, { message: [words, ...beside].join(' '), violations });
}

/** A list must hold 1 to `max` items. */
export function checkListSize(field: string, count: number, max: number): RequestViolation[] {
  if (count >= 1 && count <= max) return [];
  const description = count === 0 ? 'At least one is needed.' : `There are ${count} items; at most ${max} are allowed.`;
  return [{ field, reason: 'BATCH_SIZE', description, metadata: { count: String(count), max: String(max) } }];
}

/** A list may hold at most `max` items. */
export function checkCount(field: string, count: number, max: number): Violation[] {
  return count <= max ? [] : [{ field, reason: 'TOO_MANY', description: `There are ${count} entries; at most ${max} are allowed.` }];
}

/** A whole number within limits. */
export function checkRange(field: string, value: number, min: number, max: number): Violation[] {
  return value >= min && value <= max ? [] : [{ field, reason: 'OUT_OF_RANGE', description: `${value} is not within ${min} to ${max}.` }];
}

/** Free text of at most `max` characters. */
export function checkText(field: string, text: string, max: number): Violation[] {
  return text.length <= max ? [] : [{ field, reason: 'TOO_LONG', description: `There are ${text.length} characters; at most ${max} are allowed.` }];
}

/** A length of time, if given, must not be negative, nor above `maxMs`. */
export function checkDuration(field: string, duration: Duration | undefined, maxMs: number): Violation[] {
  const ms = durationMs(duration) ?? 0;
  if (ms >= 0 && ms <= maxMs) return [];
  return [{ field, reason: 'OUT_OF_RANGE', description: `${ms} ms is not within 0 to ${maxMs} ms.` }];
}
