import { OutcomeUnknown, TpcError } from '@tpc/client/producer';
import { classifySqlError, isTransient, redact } from '@tpc/core';
import { AppError, toAppError } from '@tpc/platform';
import { NoIdLease } from '../domain/id-generator.ts';
import { refuse } from './refusal.ts';

/** Most links of a chain of causes that are looked at. */
const MAX_CAUSES = 5;

/**
 * Any error as one with a meaning, for both entrances: what passes by itself (the database, TPC's refusal for want of a subscriber, a lost
 * worker id) is UAC10011111, an unknown COMMIT UAC10011110, the rest an internal error whose inside stays inside.
 */
export function toUacError(error: unknown): AppError {
  if (error instanceof AppError) return error;
  const cause = redact(error);
  if (isOutcomeUnknown(error)) return refuse('UAC10011110', { cause });
  const sql = sqlErrorIn(error);
  const passes = error instanceof NoIdLease || error instanceof TpcError || (sql !== undefined && isTransient(classifySqlError(sql)));
  return passes ? refuse('UAC10011111', { cause }) : toAppError(cause);
}

/** Whether an error of the client library says that COMMIT was sent and its answer lost. */
export function isOutcomeUnknown(error: unknown): boolean {
  return error instanceof OutcomeUnknown;
}

/** The first error in a chain of causes that the database or its driver made; none when the outcome is unknown. */
export function sqlErrorIn(error: unknown): unknown {
  if (isOutcomeUnknown(error)) return undefined;
  return chainOf(error).find((link) => classifySqlError(link) !== 'other');
}

function chainOf(error: unknown): Error[] {
  const chain: Error[] = [];
  for (let link = error; link instanceof Error && chain.length < MAX_CAUSES; link = link.cause) chain.push(link);
  return chain;
}
