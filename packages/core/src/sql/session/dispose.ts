import { redact } from '../redact.ts';
import { classifySqlError } from '../sql-errors.ts';
import type { Connection } from '../types.ts';

/**
 * Ends a connection at once: knex's pool does not lend it again, what waits for an answer fails as one whose connection was lost, and the server rolls back
 * what it holds. The driver's own `destroy` says good-bye and waits, which nobody answers where the host has vanished.
 */
export function dispose(connection: Connection, error: unknown): void {
  // knex logs it as it is.
  connection.__knex__disposed = redact(error);
  if (connection.stream !== undefined) connection.stream.destroy();
  else connection.destroy?.();
}

/** Whether a connection would only go on failing: it was lost, or its server takes no writes any more (a demoted primary) while the address leads to another. */
export function isUseless(error: unknown): boolean {
  const kind = classifySqlError(error);
  return kind === 'read_only' || kind === 'connection';
}

export function disposeIfUseless(connection: Connection, error: unknown): void {
  if (isUseless(error)) dispose(connection, error);
}
