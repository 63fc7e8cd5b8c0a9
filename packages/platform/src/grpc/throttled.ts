/** Least time between two lines about the same thing, milliseconds. */
const EVERY_MS = 1_000;
/** Most things that are told apart at once; more are all let through as one. */
const MAX_KINDS = 64;

/**
 * Lets an event of a kind through at most once a second, with how often it came since the last: who knocks at the door all the time shall not fill the
 * log.
 */
export function throttled<E>(
  kindOf: (event: E) => string,
  tell: (event: E, times: number) => void,
  now: () => number = () => performance.now(),
): (event: E) => void {
  const kinds = new Map<string, { toldAt: number; held: number }>();
  return (event) => {
    const wanted = kindOf(event);
    const kind = kinds.has(wanted) || kinds.size < MAX_KINDS ? wanted : 'others';
    const state = kinds.get(kind) ?? { toldAt: Number.NEGATIVE_INFINITY, held: 0 };
    kinds.set(kind, state);
    state.held++;
    if (now() - state.toldAt < EVERY_MS) return;
    tell(event, state.held);
    state.toldAt = now();
    state.held = 0;
  };
}
