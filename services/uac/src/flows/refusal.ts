import { status } from '@grpc/grpc-js';
import { AppError, type AppErrorOptions } from '@tpc/platform';
import { CODES, type CodeEntry, type RefusalKind, type UacCode, type Violation } from '../domain/codes.ts';

const STATUS: Record<RefusalKind, status> = {
  invalid: status.INVALID_ARGUMENT,
  taken: status.ALREADY_EXISTS,
  not_found: status.NOT_FOUND,
  precondition: status.FAILED_PRECONDITION,
  unauthenticated: status.UNAUTHENTICATED,
  not_allowed: status.PERMISSION_DENIED,
  too_many: status.RESOURCE_EXHAUSTED,
  unavailable: status.UNAVAILABLE,
};

/** A refusal with one of our codes; its message is English, http/ says it in the reader's language. */
export function refuse(code: UacCode, more: Pick<AppErrorOptions, 'retryAfterMs' | 'cause'> = {}): AppError {
  const entry: CodeEntry = CODES[code];
  return new AppError({ status: STATUS[entry.kind], reason: code, name: entry.name, message: entry.en, ...more });
}

/** A refusal because of fields: the first one decides the code, all are listed. */
export function refuseFields(violations: readonly [Violation, ...Violation[]]): AppError {
  const [{ code }] = violations;
  const entry: CodeEntry = CODES[code];
  return new AppError({
    status: STATUS[entry.kind],
    reason: code,
    name: entry.name,
    message: entry.en,
    violations: violations.map((violation) => ({ field: violation.field, description: CODES[violation.code].en, reason: violation.code })),
  });
}
