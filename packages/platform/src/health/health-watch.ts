import type { Log } from '../log/log.ts';
import { createRepeater, type Repeater } from './repeater.ts';

/** How often health is looked at, milliseconds. */
export const HEALTH_EVERY_MS = 1_000;

export type HealthWatchOptions = {
  /** Whether the service's own database answers and takes writes. */
  database: () => Promise<boolean>;
  /** Whether each part outside is there, by its name in grpc.health.v1. */
  parts: () => Readonly<Record<string, boolean>>;
  setHealth: (part: string, serving: boolean) => void;
  log: Log;
};

/**
 * Keeps grpc.health.v1 true. Readiness (the empty name) follows the service's own database alone: while broker, TPC or mail server are away the
 * service goes on taking and keeping work, so each is an entry of its own.
 */
export function createHealthWatch({ database, parts, setHealth, log }: HealthWatchOptions): Repeater {
  let last: boolean | undefined;
  const pass = async () => {
    const there = await database();
    if (last !== undefined && last !== there)
      log[there ? 'info' : 'error']({}, there ? 'the database is back' : 'the database does not answer, or takes no writes');
    last = there;
    for (const name of ['', 'database']) setHealth(name, there);
    for (const [name, serving] of Object.entries(parts())) setHealth(name, serving);
  };
  return createRepeater({ name: 'health', everyMs: HEALTH_EVERY_MS, pass, log });
}
