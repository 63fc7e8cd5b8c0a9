import { setTimeout as sleep } from 'node:timers/promises';

/** Waiting that ends, and lengths of time: written once for all packages. */

const LATE = Symbol('late');

/** The longest time that a timer of Node takes, milliseconds: some 25 days. Set to more, or to Infinity, it runs out at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** A time as a timer takes it: where somebody asks for more, the longest. */
export function timerMs(ms: number): number {
  return Math.min(MAX_TIMER_MS, Math.max(0, ms));
}

/**
 * Waits for work, but no longer than a time. The work itself goes on, and a failure that comes later is nobody's concern.
 * @param ms milliseconds; not above 0 waits for one turn of the event loop
 * @param late what happens when the time is over first: its answer becomes the answer, and what it throws is thrown. Default: undefined
 * @throws what the work throws in time
 */
export async function withDeadline<T, L = undefined>(work: Promise<T>, ms: number, late?: () => L): Promise<T | L> {
  const overdue = Promise.withResolvers<typeof LATE>();
  const timer = setTimeout(overdue.resolve, timerMs(ms), LATE);
  try {
    const first = await Promise.race([work, overdue.promise]);
    return first === LATE ? (late?.() as L) : first;
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Waits for the work, but no longer than until the signal. The work itself goes on, and a failure after the signal is nobody's concern.
 * @returns undefined when the signal came first
 * @throws what the work throws before the signal
 */
export async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  work.catch(() => undefined);
  if (signal.aborted) return undefined;
  const aborted = Promise.withResolvers<undefined>();
  const stop = () => aborted.resolve(undefined);
  signal.addEventListener('abort', stop, { once: true });
  return Promise.race([work, aborted.promise]).finally(() => signal.removeEventListener('abort', stop));
}

/** Waits so many milliseconds, or until the signal. Never rejects. */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  await sleep(timerMs(ms), undefined, signal && { signal }).catch(() => undefined);
}

/** A google.protobuf.Duration as the generated code has it. */
export type WireDuration = { seconds: bigint; nanos: number };

/** @param ms not below 0 */
export function toDuration(ms: number): WireDuration {
  const { seconds, nanos } = secondsAndNanos(ms);
  return { seconds: BigInt(seconds), nanos };
}

/** @returns milliseconds, with their fraction; undefined where there is no duration */
export function durationMs(duration: WireDuration): number;
export function durationMs(duration: WireDuration | undefined): number | undefined;
export function durationMs(duration: WireDuration | undefined): number | undefined {
  return duration && Number(duration.seconds) * 1_000 + duration.nanos / 1e6;
}

/** A length of time, or a point in time since 1970, as Protobuf splits it. @param ms not below 0 */
export function secondsAndNanos(ms: number): { seconds: number; nanos: number } {
  const seconds = Math.floor(ms / 1_000);
  return { seconds, nanos: Math.floor((ms - seconds * 1_000) * 1e6) };
}
