import { setTimeout as pause } from 'node:timers/promises';
import { inspect } from 'node:util';

type Condition<T> = () => T | Promise<T>;
type Held<T> = Exclude<T, false | null | undefined>;

const DEADLINE_MS = 30_000;
const LOOK_EVERY_MS = 20;
/** Most of what was seen last that an error shows, characters. */
const MAX_SEEN = 1_000;

/**
 * Waits until a condition holds: until it answers something that counts as true. What it throws counts as not yet.
 * @param what is waited for, in words; without it, the error shows the condition's source
 * @throws Error with what was waited for and what the condition answered, or threw, at last
 */
export function until<T>(what: string, condition: Condition<T>, deadlineMs?: number, everyMs?: number): Promise<Held<T>>;
export function until<T>(condition: Condition<T>, deadlineMs?: number): Promise<Held<T>>;
export function until<T>(first: string | Condition<T>, second?: number | Condition<T>, third?: number, everyMs?: number): Promise<Held<T>> {
  if (typeof first === 'string') return hold(first, second as Condition<T>, third, everyMs);
  return hold(String(first), first, second as number | undefined);
}

async function hold<T>(what: string, condition: Condition<T>, deadlineMs = DEADLINE_MS, everyMs = LOOK_EVERY_MS): Promise<Held<T>> {
  const end = performance.now() + deadlineMs;
  let seen: unknown;
  for (;;) {
    try {
      seen = await condition();
      if (seen) return seen as Held<T>;
    } catch (error) {
      seen = error;
    }
    if (performance.now() > end) {
      const last = inspect(seen, { depth: 4, breakLength: Number.POSITIVE_INFINITY }).slice(0, MAX_SEEN);
      throw new Error(`waited ${deadlineMs} ms for: ${what}; seen last: ${last}`, { cause: seen });
    }
    await pause(everyMs);
  }
}
