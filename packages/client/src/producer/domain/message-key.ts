/**
 * Rules of message keys: one event for ever. Either a UUID in lower case, or `<producer group>:<the caller's own>`, at most 128 characters of
 * [A-Za-z0-9_.:@-], so that no two groups can collide. TPC enforces the same.
 */

export const MAX_KEY_LENGTH = 128;
/** How many barriers of one own key are stepped over before `outbox.add` gives up: `<key>`, `<key>.2` … `<key>.99`. */
export const MAX_KEY_ATTEMPTS = 99;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const CHARACTERS = /^[A-Za-z0-9_.:@-]+$/;
const GROUP = /^[A-Za-z0-9_-]{1,64}$/;

/** Whether `group` can name a producer or consumer group. */
export function isGroupName(group: string): boolean {
  return GROUP.test(group);
}

/** @returns what is wrong with a caller's key, or undefined when it is good */
export function keyProblem(key: string, group: string): string | undefined {
  if (UUID.test(key)) return undefined;
  if (key.length > MAX_KEY_LENGTH) return `is longer than ${MAX_KEY_LENGTH} characters`;
  if (!CHARACTERS.test(key)) return 'has characters outside [A-Za-z0-9_.:@-]';
  if (!key.startsWith(`${group}:`) || key.length === group.length + 1) return `is neither a UUID in lower case nor "${group}:" and a name of yours`;
  return undefined;
}

/**
 * The key that stands for `key` at its n-th use. A key whose barrier stands was never published and never will be, so the event goes out
 * under the next one.
 * @param attempt from 1
 */
export function keyForAttempt(key: string, attempt: number): string {
  return attempt === 1 ? key : `${key}.${attempt}`;
}
