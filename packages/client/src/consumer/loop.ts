import type { Log } from '../log.ts';

export type Loop = {
  start(): void;
  /** Runs the next pass at once, or right after the one under way. */
  wake(): void;
  /** Begins no further pass; resolves when the one under way has ended. */
  stop(): Promise<void>;
};

/**
 * A background duty: one pass after the other, with a wait between. A pass that throws is logged, and the next one comes as usual.
 * @param options.waitMs wait after a pass; a pass may answer with another wait in milliseconds
 */
export function createLoop(options: { name: string; waitMs: number; log: Log; pass: () => Promise<number | undefined> }): Loop {
  let running: Promise<void> | undefined;
  let stopped = false;
  let woken = false;
  let wakeUp: (() => void) | undefined;

  const wait = (ms: number) =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      wakeUp = () => {
        clearTimeout(timer);
        resolve();
      };
    });

  async function run(): Promise<void> {
    let failed = false;
    while (!stopped) {
      woken = false;
      let waitMs = options.waitMs;
      try {
        waitMs = (await options.pass()) ?? waitMs;
        failed = false;
      } catch (error) {
        // Once per outage: a database that is away for an hour must not fill the log.
        if (!failed) options.log.warn({ err: error, duty: options.name }, 'a pass failed; it is tried again');
        failed = true;
      }
      if (!stopped && !woken) await wait(waitMs);
    }
  }

  return {
    start() {
      running ??= run();
    },
    wake() {
      woken = true;
      wakeUp?.();
    },
    async stop() {
      stopped = true;
      wakeUp?.();
      await running;
    },
  };
}
