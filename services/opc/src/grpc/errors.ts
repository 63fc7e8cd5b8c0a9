import { status } from '@grpc/grpc-js';
import { classifySqlError, isTransient } from '@tpc/core';
import { AppError, type FieldViolation } from '@tpc/platform';
import { REASONS, type ReasonName } from '../domain/reasons.ts';

/** After how long a caller may try again when the database is away, milliseconds. */
const RETRY_WHEN_UNAVAILABLE_MS = 1_000;

type More = {
  message?: string;
  metadata?: Readonly<Record<string, string>>;
  violations?: readonly FieldViolation[];
  retryAfterMs?: number;
  cause?: unknown;
};

/** A reason of the table as a refused call. */
export function refusal(name: Exclude<ReasonName, `MAIL_${string}`>, more: More = {}): AppError {
  const { code, status: statusName, message } = REASONS[name];
  return new AppError({ status: status[statusName], reason: code, name, message, ...more });
}

/** A field that is not valid. `description` goes on after the field's name, for example "is required". */
export type BadField = { field: string; description: string };

/** @throws AppError FIELD_INVALID with all of them, unless there are none */
export function refuseBadFields(bad: readonly BadField[]): void {
  const [first] = bad;
  if (first === undefined) return;
  throw refusal('FIELD_INVALID', {
    // Many tools show the message alone: it says what is wrong, not only that something is.
    message: `A field is not valid: ${bad.map(({ field, description }) => `${field} ${description}.`).join(' ')}`,
    metadata: { field: first.field },
    violations: bad.map((one) => ({ ...one, reason: 'FIELD_INVALID' })),
  });
}

/** Runs a read of the store; a database that is away becomes UNAVAILABLE with a time to try again. */
export async function reading<T>(read: Promise<T>): Promise<T> {
  try {
    return await read;
  } catch (cause) {
    if (!isTransient(classifySqlError(cause))) throw cause;
    throw refusal('STORE_UNAVAILABLE', { retryAfterMs: RETRY_WHEN_UNAVAILABLE_MS, cause });
  }
}
