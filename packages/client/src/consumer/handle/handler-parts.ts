import type { Settings } from '../defaults.ts';
import type { Telemetry } from '../observe/counters.ts';
import type { Reporter } from '../report/reporter.ts';

/** What the executor of one topic works with. */
export type HandlerParts = {
  topic: string;
  settings: Settings;
  reporter: Reporter;
  telemetry: Telemetry;
  /** Whether other messages of the topic wait in memory for a worker. */
  othersWait: () => boolean;
  /** True once the consumer's stop has begun: nothing new is begun. */
  stopping: () => boolean;
  /** False once the consumer's stop has run out of time: database work is not tried again. */
  goOn: () => boolean;
};
