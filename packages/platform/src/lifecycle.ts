import closeWithGrace from 'close-with-grace';
import { StartError } from './errors.ts';

/** Something that runs until it is stopped. */
export interface Running {
  /** Takes no new work, finishes what is in flight, then leaves. */
  stop(): Promise<void>;
}

/** Longest time for a graceful stop, milliseconds; then the process ends anyway. */
const STOP_DEADLINE_MS = 15_000;

/**
 * Runs a program's main: starts it, stops it gracefully on SIGINT or SIGTERM (a second signal ends at once). A StartError is printed as one
 * line, without a stack, and ends with code 1.
 */
export async function runMain(name: string, start: () => Promise<Running>): Promise<void> {
  let running: Running;
  try {
    running = await start();
  } catch (error) {
    process.stderr.write(`${name}: ${error instanceof StartError ? error.message : error instanceof Error ? error.stack : String(error)}\n`);
    process.exit(1);
  }
  closeWithGrace({ delay: STOP_DEADLINE_MS, logger: false }, async ({ err }) => {
    if (err) process.stderr.write(`${name}: ${err.stack ?? err.message}\n`);
    await running.stop();
  });
}

/** Stops in order; each is tried even when one before it fails. The first error is thrown at the end. */
export async function stopAll(parts: readonly Running[]): Promise<void> {
  const errors: unknown[] = [];
  for (const part of parts) await part.stop().catch((error: unknown) => errors.push(error));
  if (errors.length > 0) throw errors[0];
}
