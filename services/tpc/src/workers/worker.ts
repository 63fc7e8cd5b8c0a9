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
  if (!(options.pollMs > 0)) throw new RangeError(`${options.name}: pollMs must be above 0, is ${options.pollMs}`);
  const random = options.random ?? Math.random;
  let loop: { stopped: boolean; nap: Nap; done: Promise<void> } | undefined;
  return {
    runOnce: options.pass,
    wake: () => loop?.nap.end(),
    start() {
      if (loop) return;
      const state = { stopped: false, nap: new Nap(), done: Promise.resolve() };
      state.done = repeat(options, state, random);
      loop = state;
    },
    async stop() {
      const running = loop;
      if (!running) return;
      running.stopped = true;
      running.nap.end();
      await running.done;
      if (loop === running) loop = undefined;
    },
  };
}

async function repeat<C extends PassCounts>(options: WorkerOptions<C>, state: { stopped: boolean; nap: Nap }, random: () => number): Promise<void> {
  let failures = 0;
  for (; !state.stopped; await new Promise(setImmediate)) {
    let pause = options.pollMs * (1 + POLL_JITTER * (2 * random() - 1));
    try {
      const { more } = await options.pass();
      if (failures > 0) options.log.info({ worker: options.name }, 'worker goes on');
      failures = 0;
      if (more) continue;
    } catch (err) {
      failures++;
      if (failures === 1) options.log.warn({ worker: options.name, err }, 'pass failed; trying again');
      else options.log.debug({ worker: options.name, err, failures }, 'pass failed again');
      pause = Math.max(pause, Math.min(MAX_FAILURE_PAUSE_MS, pause * 2 ** Math.min(failures, 10)));
    }
    if (!state.stopped) await state.nap.take(pause);
  }
}

/** A pause that can be ended; ended before it begins, it does not begin. */
class Nap {
  #end: (() => void) | undefined;
  #ended = false;

  async take(ms: number): Promise<void> {
    if (!this.#ended) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        this.#end = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.#end = undefined;
    this.#ended = false;
  }

  end(): void {
    this.#ended = true;
    this.#end?.();
  }
}
