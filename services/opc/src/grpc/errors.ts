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

/** A request with a bad field. `description` goes on after the field's name, for example "is required". */
export function badField(field: string, description: string): AppError {
  // Many tools show the message alone: it says what is wrong, not only that something is.
  return refusal('FIELD_INVALID', {
    message: `A field is not valid: ${field} ${description}.`,
    metadata: { field },
    violations: [{ field, description, reason: 'FIELD_INVALID' }],
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
