/** What a database's error means for the one who ran the statement. */
export type SqlErrorKind =
  /** A unique key holds the value already. */
  | 'duplicate'
  /** The transaction was chosen to end a deadlock, or lost a snapshot conflict: it is rolled back as a whole and may be run again. */
  | 'deadlock'
  /** A lock was not got in time, or at once with NOWAIT. MySQL ends only the statement: roll back explicitly. */
  | 'locked'
  /** The connection is gone or could not be made: what was under way may or may not have committed. */
  | 'connection'
  /** The server does not take writes (a demoted primary): drop the pool's connections. */
  | 'read_only'
  /** The value does not fit, a column is missing, the statement is wrong: trying again cannot help. */
  | 'other';

const BY_ERRNO: ReadonlyMap<number, SqlErrorKind> = new Map([
  [1062, 'duplicate'],
  [1586, 'duplicate'],
  [1213, 'deadlock'],
  [1020, 'deadlock'], // MariaDB >= 11.6.2: "Record has changed since last read", rolled back
  [1206, 'deadlock'], // InnoDB's lock table is full: it rolls the whole transaction back
  [1205, 'locked'],
  [3572, 'locked'], // MySQL, NOWAIT
  [1053, 'connection'],
  [1927, 'connection'],
  [2006, 'connection'],
  [2013, 'connection'],
  [4031, 'connection'],
  [1040, 'connection'],
  [1203, 'connection'], // more sessions of this user than it may have
  [1047, 'connection'], // a node of a Galera cluster that has lost the others
  [1036, 'read_only'], // innodb_read_only
  [1290, 'read_only'],
  [1792, 'read_only'],
  [1836, 'read_only'],
  [1881, 'read_only'], // innodb_force_recovery
]);

const BY_CODE: ReadonlyMap<string, SqlErrorKind> = new Map([
  ['SQLITE_CONSTRAINT_PRIMARYKEY', 'duplicate'],
  ['SQLITE_CONSTRAINT_UNIQUE', 'duplicate'],
  ['SQLITE_BUSY', 'locked'],
  ['SQLITE_BUSY_SNAPSHOT', 'locked'],
  ['SQLITE_LOCKED', 'locked'],
  ['SQLITE_READONLY', 'read_only'],
  ['OTHER_SERVER', 'connection'],
  ['PROTOCOL_CONNECTION_LOST', 'connection'],
  ['PROTOCOL_ENQUEUE_AFTER_FATAL_ERROR', 'connection'],
  ['PROTOCOL_ENQUEUE_AFTER_QUIT', 'connection'],
  ['ECONNREFUSED', 'connection'],
  ['ECONNRESET', 'connection'],
  ['EPIPE', 'connection'],
  ['ETIMEDOUT', 'connection'],
  ['EHOSTUNREACH', 'connection'],
  ['ENETUNREACH', 'connection'],
  ['ECONNABORTED', 'connection'],
  ['ENOTFOUND', 'connection'],
  ['EAI_AGAIN', 'connection'],
]);

/** Classifies an error of mysql2, better-sqlite3 or knex. */
export function classifySqlError(error: unknown): SqlErrorKind {
  const { errno, code, name, message } = (error ?? {}) as { errno?: number; code?: string; name?: string; message?: string };
  if (typeof errno === 'number' && BY_ERRNO.has(errno)) return BY_ERRNO.get(errno) as SqlErrorKind;
  if (typeof code === 'string' && BY_CODE.has(code)) return BY_CODE.get(code) as SqlErrorKind;
  // No connection in time, or none that suits.
  if (name === 'KnexTimeoutError' || name === 'UnsuitableSession') return 'connection';
  if (typeof message === 'string' && /connection is in closed state|Connection lost|closed connection/i.test(message)) return 'connection';
  return 'other';
}

/**
 * Which unique key a duplicate was found in: the name of the key on MySQL and MariaDB ('message_key', 'PRIMARY'), the columns on SQLite
 * ('message.message_key', 'confirm.message_id, confirm.group_id'). Undefined when the error is no duplicate, or does not say.
 */
export function duplicateKeyOf(error: unknown): string | undefined {
  if (classifySqlError(error) !== 'duplicate') return undefined;
  const { sqlMessage, message = '' } = error as { sqlMessage?: string; message?: string };
  const text = sqlMessage ?? message;
  // The value stands before the key in the text, and may hold anything: only the end counts. MySQL 8 writes the table before the key's name.
  const named = / for key '(?:[^'.]+\.)?([^'.]+)'$/.exec(text)?.[1];
  return named ?? /UNIQUE constraint failed: ([\w., ]+)$/.exec(text)?.[1];
}

/** Whether a statement was longer than the server takes (max_allowed_packet). The same work in smaller parts may succeed. */
export function exceedsPacket(error: unknown): boolean {
  return (error as { errno?: number } | undefined)?.errno === 1153;
}

/** MySQL and MariaDB: too long, cut, wrong characters, a wrong value, out of range, not NULL, a CHECK, larger than the server's packet. */
const CONTENT_ERRNOS: ReadonlySet<number> = new Set([1406, 1265, 1366, 1292, 1264, 1048, 3819, 4025, 1153]);
const CONTENT_CODES = /^(SQLITE_TOOBIG|SQLITE_MISMATCH|SQLITE_CONSTRAINT_(NOTNULL|CHECK|DATATYPE)|ER_NET_PACKET_TOO_LARGE)$/;

/**
 * Whether the database refused a row for its content, so that the rows beside it are good. Any other error (a missing table, no right to write, a full disk,
 * one that nobody knows) is the database's own fault: each part of the work would meet it again.
 */
export function isContentFault(error: unknown): boolean {
  const { errno, code } = (error ?? {}) as { errno?: number; code?: string };
  return (errno !== undefined && CONTENT_ERRNOS.has(errno)) || (code !== undefined && CONTENT_CODES.test(code));
}

/** Whether the same work may succeed when it is run again from its beginning. */
export function isTransient(kind: SqlErrorKind): boolean {
  return kind === 'deadlock' || kind === 'locked' || kind === 'connection' || kind === 'read_only';
}

/**
 * Whether an error inside a transaction means that it must not commit, whatever the caller's code does with the error: after 1213 or
 * 1020 the server has rolled it back and the next statement would commit by itself.
 */
export function doomsTransaction(kind: SqlErrorKind): boolean {
  return kind === 'deadlock' || kind === 'connection' || kind === 'read_only';
}
