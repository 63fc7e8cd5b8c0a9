/** A connection of better-sqlite3, which tells whether a transaction is open; those of servers do not. */
export type TellingConnection = { inTransaction?: boolean };

/**
 * False when SQLite has ended the connection's transaction by itself: a conflict clause said so, the disk was full, or memory was short. Its error does not tell,
 * and the next statement would commit alone. What a server does is known from its errors and its answers.
 */
export function isStillOpen(connection: TellingConnection): boolean {
  return connection.inTransaction !== false;
}
