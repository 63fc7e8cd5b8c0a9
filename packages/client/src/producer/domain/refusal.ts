import type { StatusName, TpcError } from '../../connection/index.ts';

const ABOUT_THE_MESSAGE: readonly StatusName[] = ['INVALID_ARGUMENT', 'NOT_FOUND', 'ALREADY_EXISTS', 'FAILED_PRECONDITION', 'OUT_OF_RANGE'];

/**
 * Whether TPC definitely refused this very message (bad content, no such topic, nobody subscribes it), so that the business transaction must
 * not commit. A wrong token or a missing right says nothing about the message: it is a fault of the connection, and counts as TPC being away.
 */
export function isRefusal(error: TpcError): boolean {
  return !error.retryable && ABOUT_THE_MESSAGE.includes(error.status);
}
