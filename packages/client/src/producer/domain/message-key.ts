/** How many barriers of one own key are stepped over before `outbox.add` gives up: `<key>`, `<key>.2` … `<key>.99`. */
export const MAX_KEY_ATTEMPTS = 99;

/**
 * The key that stands for `key` at its n-th use. A key whose barrier stands was never published and never will be, so the event goes out
 * under the next one.
 * @param attempt from 1
 */
export function keyForAttempt(key: string, attempt: number): string {
  return attempt === 1 ? key : `${key}.${attempt}`;
}
