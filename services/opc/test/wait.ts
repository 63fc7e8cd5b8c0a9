import { setTimeout as pause } from 'node:timers/promises';

const DEADLINE_MS = 20_000;
const LOOK_EVERY_MS = 20;

/** Waits until `condition` is true, or answers something; fails after a deadline with what was waited for. */
export async function until<T>(what: string, condition: () => T | Promise<T>, deadlineMs = DEADLINE_MS): Promise<NonNullable<T>> {
  const deadline = performance.now() + deadlineMs;
  for (;;) {
    const result = await condition();
    if (result) return result as NonNullable<T>;
    if (performance.now() > deadline) throw new Error(`waited in vain for: ${what}`);
    await pause(LOOK_EVERY_MS);
  }
}
