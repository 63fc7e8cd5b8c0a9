import { Loop } from '@tpc/core';
import type { Running } from '../host/lifecycle.ts';
import type { Log } from '../log/log.ts';

export type RepeaterOptions = {
  /** For the log. */
  name: string;
  /** Pause between passes, milliseconds. */
  everyMs: number;
  /** One look. Must end soon after its signal is aborted, by which it is stopped. */
  pass: (signal: AbortSignal) => Promise<void>;
  log: Log;
};

/** A duty that looks again and again. A pass that throws is logged and does not end it. */
export interface Repeater extends Running {
  /** @param waitMs before the first look, milliseconds; default: none */
  start(waitMs?: number): void;
  /** One pass now. Rejects as the pass does. */
  runOnce(): Promise<void>;
}

/** @throws RangeError when the pause is not a positive number */
export function createRepeater({ name, everyMs, pass, log }: RepeaterOptions): Repeater {
  if (!(everyMs > 0)) throw new RangeError(`${name}: everyMs must be above 0, is ${everyMs}`);
  const loop = new Loop({
    turn: async (signal) => {
      await pass(signal);
      return everyMs;
    },
    onError: (err) => {
      log.warn({ worker: name, err }, 'a pass failed; it is repeated');
      return everyMs;
    },
  });
  return { runOnce: () => pass(new AbortController().signal), start: (waitMs) => loop.start(waitMs), stop: () => loop.stop() };
}
