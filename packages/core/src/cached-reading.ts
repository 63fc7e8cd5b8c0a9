import { withDeadline } from './time.ts';

/**
 * A reading that costs something, for gauges: however often and by whomever it is asked for, it is read again only when it is old, and the older it may
 * be the longer a reading takes, so that all readings together never keep the database busy for more than a small share of the time.
 */
export type CachedReading<T> = () => Promise<T | undefined>;

/** How long a reading counts as fresh at least, milliseconds. */
export const FRESH_MS = 10_000;
/** A reading stays fresh for this many times as long as it took. */
const REST_FACTOR = 20;
/** Nobody waits longer for a reading, milliseconds: Prometheus gives up after 10 s. */
const PATIENCE_MS = 3_000;
/** What is older than this many times its freshness says nothing about now. */
const STALE_FACTOR = 3;

export type CachedOptions = {
  freshMs?: number;
  patienceMs?: number;
  /** On a monotonic clock, milliseconds. */
  now?: () => number;
};

/**
 * @param read may reject, for example while the database is away
 * @returns asks for the reading: a fresh one, else a new one, else (when that fails or takes long) the last one while it still means something, else
 *   undefined. Never rejects.
 */
export function cachedReading<T>(read: () => Promise<T>, options: CachedOptions = {}): CachedReading<T> {
  const { freshMs = FRESH_MS, patienceMs = PATIENCE_MS, now = () => performance.now() } = options;
  let last: { value: T; at: number; freshMs: number } | undefined;
  let underway: Promise<void> | undefined;
  const readAgain = async () => {
    const began = now();
    try {
      const value = await read();
      last = { value, at: now(), freshMs: Math.max(freshMs, (now() - began) * REST_FACTOR) };
    } catch {
      // Whoever asks gets the last one, or nothing: the health entry of the database says why.
      last = last && now() - last.at > last.freshMs * STALE_FACTOR ? undefined : last;
    }
  };
  const age = () => (last === undefined ? Number.POSITIVE_INFINITY : (now() - last.at) / last.freshMs);
  return async () => {
    if (age() < 1) return last?.value;
    underway ??= readAgain().finally(() => {
      underway = undefined;
    });
    await withDeadline(underway, patienceMs);
    return age() < STALE_FACTOR ? last?.value : undefined;
  };
}
