/** How often a long step says that it still runs, milliseconds. */
const STILL_MS = 5_000;

/** Says what is done, and how long it took. */
export type Progress = {
  say(line: string): void;
  /** Runs a step with a line at its beginning, each five seconds, and at its end. */
  step<T>(what: string, work: () => Promise<T>): Promise<T>;
};

/** @param print takes one line */
export function createProgress(print: (line: string) => void): Progress {
  return {
    say: print,
    async step(what, work) {
      const began = performance.now();
      const seconds = () => `${((performance.now() - began) / 1000).toFixed(1)} s`;
      print(`${what} …`);
      const still = setInterval(() => print(`${what} … ${seconds()}`), STILL_MS);
      try {
        const result = await work();
        print(`${what}: done after ${seconds()}`);
        return result;
      } finally {
        clearInterval(still);
      }
    },
  };
}
