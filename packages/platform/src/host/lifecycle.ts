import { withDeadline } from '@tpc/core';
import closeWithGrace from 'close-with-grace';
import { StartError } from '../errors.ts';

/** Something that runs until it is stopped. */
export interface Running {
  /** Takes no new work, finishes what is in flight, then leaves. */
  stop(): Promise<void>;
  /** Reads again what may change while it runs (tokens, certificates); absent where there is nothing of the kind. */
  reload?: (() => Promise<void>) | undefined;
}

/** Longest time for a graceful stop, milliseconds; then the process ends anyway. */
export const STOP_DEADLINE_MS = 15_000;

/** The same signal may come twice at once, from a terminal and from a launcher that passes it on; later than this it means "now". Milliseconds. */
const SAME_SIGNAL_MS = 1_000;

/**
 * Runs a program's main: starts it, stops it gracefully on SIGINT, SIGTERM or SIGHUP (a later second signal ends at once). What can reload does so on
 * SIGHUP instead, as services do. A start that waits for something may end its waiting by `stopping`, with the signal's reason; one that does not end
 * it in time is left, since a signal must work whatever the start waits for. A StartError is printed as one line, without a stack, and ends with code 1.
 */
export async function runMain(name: string, start: (stopping: AbortSignal) => Promise<Running>): Promise<void> {
  const stopping = new AbortController();
  // Begins behind this turn of the event loop, when signals are listened to.
  const started = Promise.resolve().then(() => start(stopping.signal));
  const { close } = closeWithGrace({ delay: STOP_DEADLINE_MS, logger: false, skip: [...SIGNALS] }, async ({ err }) => {
    if (err) process.stderr.write(`${name}: ${err.stack ?? err.message}\n`);
    stopping.abort();
    const running = await withDeadline(started, ABANDON_START_AFTER_MS);
    await running?.stop();
  });
  let firstSignal: number | undefined;
  const onSignal = () => {
    if (firstSignal !== undefined && performance.now() - firstSignal > SAME_SIGNAL_MS) process.exit(130);
    if (firstSignal === undefined) close();
    firstSignal ??= performance.now();
  };
  let reload: Running['reload'];
  for (const signal of SIGNALS) process.on(signal, () => (signal === 'SIGHUP' && reload ? void reload() : onSignal()));
  try {
    reload = (await started).reload;
  } catch (error) {
    if (stopping.signal.aborted && error === stopping.signal.reason) process.exit(0);
    process.stderr.write(`${name}: ${error instanceof StartError ? error.message : error instanceof Error ? error.stack : String(error)}\n`);
    process.exit(1);
  }
}

/** A start that was told to stop may take this long to come to an end, milliseconds. */
const ABANDON_START_AFTER_MS = 3_000;

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Stops in order; each is tried even when one before it fails. The first error is thrown at the end. */
export async function stopAll(parts: readonly Running[]): Promise<void> {
  const errors: unknown[] = [];
  for (const part of parts) await part.stop().catch((error: unknown) => errors.push(error));
  if (errors.length > 0) throw errors[0];
}
