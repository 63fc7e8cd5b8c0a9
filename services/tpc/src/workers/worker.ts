import { Loop, type RetryPolicy, waitBeforeRetry } from '@tpc/core';
import type { Log } from '@tpc/platform';

/**
 * The shape of every background duty. Loop and work are apart: `runOnce` does one pass and says what it did, `start` repeats it until `stop`.
 */
export interface Worker<Counts extends PassCounts = PassCounts> {
  start(): void;
  /** Begins no new pass and waits for the one under way. At once when idle. May be called twice. */
  stop(): Promise<void>;
  /** One pass. Rejects when the database or another part fails; nothing is lost then, the rows stay due. */
  runOnce(): Promise<Counts>;
  /** Looks at once instead of at the next poll. */
  wake(): void;
}

/** What a pass did. `more`: a full claim came back, so there is probably more. */
export type PassCounts = { more: boolean };

/** Share of the poll interval that is random, so that replicas do not look at the same moment. */
export const POLL_JITTER = 0.3;
/** Longest pause after passes that failed, milliseconds. */
export const MAX_FAILURE_PAUSE_MS = 10_000;

export type WorkerOptions<Counts extends PassCounts> = {
  /** For the log. */
  name: string;
  /** Pause between passes that found nothing more, milliseconds, before jitter. */
  pollMs: number;
  pass: () => Promise<Counts>;
  log: Log;
  /** A number in [0, 1). */
  random?: () => number;
};

/**
 * Makes a duty from its pass. After a full claim the next pass follows at once; after a failure the pause doubles up to
 * MAX_FAILURE_PAUSE_MS, and only the first failure in a row is logged as a warning.
 * @throws RangeError when the poll interval is not a positive number
 */
export function createWorker<Counts extends PassCounts>(options: WorkerOptions<Counts>): Worker<Counts> {
  const { name, pollMs, pass, log, random = Math.random } = options;
  if (!(pollMs > 0)) throw new RangeError(`${name}: pollMs must be above 0, is ${pollMs}`);
  const everyPoll: RetryPolicy = { firstWaitMs: pollMs, factor: 1, maxWaitMs: pollMs, jitter: POLL_JITTER, maxAttempts: undefined };
  const afterFailure = { ...everyPoll, firstWaitMs: 2 * pollMs, factor: 2, maxWaitMs: Math.max(pollMs, MAX_FAILURE_PAUSE_MS) };
  let failing = false;
  const loop = new Loop({
    turn: async () => {
      const { more } = await pass();
      if (failing) log.info({ worker: name }, 'worker goes on');
      failing = false;
      return more ? 0 : waitBeforeRetry(everyPoll, 1, random());
    },
    onError: (err, failures) => {
      failing = true;
      if (failures === 1) log.warn({ worker: name, err }, 'pass failed; trying again');
      else log.debug({ worker: name, err, failures }, 'pass failed again');
      return waitBeforeRetry(afterFailure, failures, random());
    },
  });
  return { runOnce: pass, start: () => loop.start(), stop: () => loop.stop(), wake: () => loop.wake() };
}
