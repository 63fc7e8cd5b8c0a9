import { classifySqlError, isTransient, redact } from '@tpc/core';
import { codeOf } from '../error-code.ts';

/**
 * COMMIT was sent and no answer came: the transaction may or may not have committed. Nothing is taken back; the message goes out if, and only if,
 * the database says that it committed. Callers look into their own tables before they do the work again.
 */
export class OutcomeUnknown extends Error {
  constructor(cause: unknown) {
    super(`COMMIT failed (${codeOf(cause)}): the transaction may or may not have committed`, { cause: redact(cause) });
    this.name = 'OutcomeUnknown';
  }
}

/** The transaction was rolled back because it could not be known to hold its outbox rows. Nothing was stored and nothing will be sent. */
export class TransactionDoomed extends Error {
  /** The whole work may be run again (a deadlock, a lost connection, an own key that another transaction added at the same moment). */
  readonly retryable: boolean;

  constructor(why: string, cause?: unknown) {
    super(cause === undefined ? why : `${why} (${codeOf(cause)})`, cause === undefined ? undefined : { cause: redact(cause) });
    this.name = 'TransactionDoomed';
    const kind = classifySqlError(cause);
    this.retryable = isTransient(kind) || kind === 'duplicate';
  }
}

/** The key is known with another content: one key is one event for ever. */
export class KeyAlreadyUsed extends Error {
  readonly key: string;

  constructor(key: string) {
    super(`key ${key} was used before for another content`);
    this.name = 'KeyAlreadyUsed';
    this.key = key;
  }
}

/** The library was used where it cannot keep its promise. */
export class OutboxMisuse extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'OutboxMisuse';
  }
}
