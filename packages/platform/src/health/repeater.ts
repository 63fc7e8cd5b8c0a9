import { pause } from '@tpc/core';
import type { Running } from '../lifecycle.ts';
import type { Log } from '../log.ts';

export type RepeaterOptions = {
  /** For the log. */
  name: string;
  /** Pause between passes, milliseconds. */
  everyMs: number;
  /** One look. Must end soon after its signal is aborted, by which it is stopped. */
  pass: (signal: AbortSignal) => Promise<void>;
  log: Log;
};

/** A duty that looks again and again: at once, then after each pause. A pass that throws is logged and does not end it. */
export interface Repeater extends Running {
  start(): void;
  /** One pass now. Rejects as the pass does. */
  runOnce(): Promise<void>;
}

/** @throws RangeError when the pause is not a positive number */
export function createRepeater({ name, everyMs, pass, log }: RepeaterOptions): Repeater {
  if (!(everyMs > 0)) throw new RangeError(`${name}: everyMs must be above 0, is ${everyMs}`);
  let stopping: AbortController | undefined;
  let loop: Promise<void> | undefined;
  const repeat = async (signal: AbortSignal) => {
    while (!signal.aborted) {
      await pass(signal).catch((err: unknown) => log.warn({ worker: name, err }, 'a pass failed; it is repeated'));
      await pause(everyMs, signal);
    }
  };
  return {
    runOnce: () => pass(new AbortController().signal),
    start: () => {
      if (stopping) return;
      stopping = new AbortController();
      loop = repeat(stopping.signal);
    },
    stop: async () => {
      stopping?.abort();
      await loop;
      stopping = undefined;
    },
  };
}
