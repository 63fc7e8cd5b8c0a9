import { classifySqlError } from '@tpc/core';

/** What is used of a session of mysql2. */
export type GuardedSession = { query: (...args: never[]) => unknown; destroy: () => void; stream: { destroy: () => void } };

/** Changes of the schema, and the lock that waits for another process's changes, take as long as they take. */
const MAY_TAKE_LONG = /^\s*(create|alter|drop|select get_lock)\b/i;

/**
 * Takes a session out of use that would only go on failing; the pool then makes a new one.
 * - No answer within the limit: the server froze, or the way to it broke without a word, and TCP itself would wait a quarter of an hour. The statement
 *   fails like one whose connection was lost: it may have been done.
 * - Read-only: the server was demoted, and the name leads to another primary by now.
 */
export function guardSession(session: GuardedSession, limitMs: number): void {
  const query = session.query.bind(session) as (...args: unknown[]) => unknown;
  const guarded = (...args: unknown[]): unknown => {
    const done = args.at(-1);
    if (typeof done !== 'function') return query(...args);
    const timer = MAY_TAKE_LONG.test(textOf(args[0])) ? undefined : setTimeout(() => session.stream.destroy(), limitMs);
    return query(...args.slice(0, -1), (error: unknown, ...answer: unknown[]) => {
      clearTimeout(timer);
      if (error && classifySqlError(error) === 'read_only') session.destroy();
      done(error, ...answer);
    });
  };
  session.query = guarded as GuardedSession['query'];
}

function textOf(statement: unknown): string {
  return typeof statement === 'string' ? statement : String((statement as { sql?: unknown } | undefined)?.sql);
}
