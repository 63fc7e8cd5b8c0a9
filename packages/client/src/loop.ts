import { Loop, type RetryPolicy, type Turn, waitBeforeRetry } from '@tpc/core';
import { ClaimNotRead } from './claim-not-read.ts';
import { codeOf } from './error-code.ts';
import type { Log } from './log.ts';

/** Waits after turns that failed. */
const AFTER_ERROR: RetryPolicy = { firstWaitMs: 200, factor: 2, maxWaitMs: 5_000, jitter: 0.2, maxAttempts: undefined };

/** A background duty of the library. Its first failure in a row is told: a database that is away for an hour must not fill the log. */
export function createDuty(name: string, turn: Turn, log: Log): Loop {
  return new Loop({
    turn,
    onError: (error, failures) => {
      if (failures === 1) tell(error, name, log);
      return waitBeforeRetry(AFTER_ERROR, failures, Math.random());
    },
  });
}

function tell(error: unknown, name: string, log: Log): void {
  const fields = { duty: name, error_code: codeOf(error) };
  if (error instanceof ClaimNotRead) log.error({ ...fields, reason: error.message }, 'what was claimed could not be read; the claim is undone');
  else log.warn(fields, 'a background duty failed; it is tried again until it succeeds');
}
