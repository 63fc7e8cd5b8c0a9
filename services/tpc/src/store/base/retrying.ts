import { setTimeout as wait } from 'node:timers/promises';
import { classifySqlError, duplicateKeyOf, OtherServer, type SqlErrorKind } from '@tpc/core';

/**
 * Tries in all for each kind of error; kinds that are not listed are thrown at once. A lost connection may have committed: all work of the store may
 * run again, and finds its own rows then.
 */
const MAX_TRIES: Partial<Record<SqlErrorKind, number>> = { deadlock: 10, locked: 6, connection: 3 };

/** Longest pause before the second try, milliseconds; grows with each. The work runs again from its beginning, so nothing is held meanwhile. */
const PAUSE_MS = 10;

/**
 * Runs work of the store again after a deadlock, a lock time-out or a lost connection, with a bound and a random pause.
 * @throws the last error when the bound is reached, any other error at once
 */
export async function retrying<T>(random: () => number, work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (tries >= triesAllowed(error)) throw error;
      await pause(random, tries);
    }
  }
}

/** Waits before the next try. @param tries how many have been made */
export function pause(random: () => number, tries: number): Promise<void> {
  return wait(Math.ceil(random() * PAUSE_MS * tries));
}

function triesAllowed(error: unknown): number {
  // The work must begin before it looked at the names.
  if (error instanceof OtherServer) return 1;
  // No connection was free for seconds already: asking again only lengthens the queue.
  if ((error as { name?: string } | undefined)?.name === 'KnexTimeoutError') return 1;
  return MAX_TRIES[classifySqlError(error)] ?? 1;
}

/**
 * Whether an error says that a unique key holds the value already. For an INSERT into one table that has no other key, so that the row that stands in the
 * way is the one that was to be inserted.
 */
export function isDuplicate(error: unknown): boolean {
  return classifySqlError(error) === 'duplicate';
}

/**
 * Whether an error says that another stored a message under one of these keys meanwhile. Every other duplicate means that the tables do not fit together:
 * to try again does not end it.
 */
export function isKeyTaken(error: unknown): boolean {
  return KEY_INDEX.includes(duplicateKeyOf(error) ?? '');
}

/** UNIQUE (message_key) of table message, as MySQL and MariaDB, and as SQLite name it. */
const KEY_INDEX = ['message_key', 'message.message_key'];
