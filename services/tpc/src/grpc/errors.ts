import { status } from '@grpc/grpc-js';
import { BatchDeadlineExceeded, BatcherFull, classifySqlError, exceedsPacket, isTransient } from '@tpc/core';
import type { MessageState } from '@tpc/gen/tpc/v1/message';
import { AppError, type FieldViolation } from '@tpc/platform';
import { REASONS, type ReasonName, type Refusal, reasonText } from '../domain/reasons.ts';
import { QuotaReached } from '../store/quotas/quotas.ts';
import type { StateResult } from '../store/store-types.ts';

/** After how long a caller may try again when the database is away, milliseconds. */
export const RETRY_WHEN_UNAVAILABLE_MS = 1_000;
/** After how long a caller may try again when too many calls wait, milliseconds. */
const RETRY_WHEN_OVERLOADED_MS = 200;

/** An error of the table of reasons, as it goes over the wire; `message` says it better than the table can, where it is given. */
export function appErrorOf(
  name: ReasonName,
  metadata: Readonly<Record<string, string>> = {},
  more: { message?: string; violations?: readonly FieldViolation[]; retryAfterMs?: number; cause?: unknown } = {},
): AppError {
  const { code, status: statusName } = REASONS[name];
  return new AppError({ status: status[statusName], reason: code, name, message: reasonText(name, metadata), metadata, ...more });
}

/** The error of a domain rule that said no. */
export function appErrorOfRefusal(refusal: Refusal): AppError {
  const more = refusal.refused === 'STORE_UNAVAILABLE' ? { retryAfterMs: RETRY_WHEN_UNAVAILABLE_MS } : {};
  return appErrorOf(refusal.refused, refusal.metadata, more);
}

/** Whether a value is a refusal. */
export function isRefusal<T extends object>(value: T | Refusal): value is Refusal {
  return 'refused' in value;
}

/**
 * What a write or read that failed means to the caller: a full queue and an absent database can be tried again, a deadline that ran out cannot. Other
 * errors are left as they are (INTERNAL, logged).
 */
export function toCallError(error: unknown): unknown {
  if (error instanceof AppError) return error;
  if (error instanceof QuotaReached) return appErrorOfRefusal(error.refusal);
  if (error instanceof BatcherFull) return appErrorOf('OVERLOADED', {}, { retryAfterMs: RETRY_WHEN_OVERLOADED_MS });
  if (error instanceof BatchDeadlineExceeded) return appErrorOf('DEADLINE_PASSED');
  if (exceedsPacket(error)) return appErrorOf('TOO_LARGE_FOR_DATABASE', {}, { cause: error });
  if (isTransient(classifySqlError(error))) {
    return appErrorOf('STORE_UNAVAILABLE', {}, { retryAfterMs: RETRY_WHEN_UNAVAILABLE_MS, cause: error });
  }
  return error;
}

/**
 * The state in a result of the store; its number is the same in SQL and on the wire.
 * @throws AppError when it is a refusal
 */
export function stateOrRefuse(result: StateResult): { state: MessageState } {
  if (isRefusal(result)) throw appErrorOfRefusal(result);
  return { state: result.state };
}
