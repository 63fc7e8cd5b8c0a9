import type { Producer } from '@tpc/client/producer';
import { classifySqlError, isTransient, type RetryPolicy, withRetries } from '@tpc/core';
import type { Knex } from 'knex';
import type { Mail } from '../mails/render-mail.ts';
import { sqlErrorIn } from './uac-error.ts';

/** Topic of all mails, and the tags that UAC sends. */
export const EMAIL_TOPIC = 'SEND_EMAIL_TOPIC';
export type MailTag = 'ACTIVE_USER' | 'ACTIVE_USER_SUCCESS';

/** What the flows need of the client library's producer: the outbox row is part of the transaction, so the mail goes out if and only if it commits. */
export type MailProducer = Pick<Producer, 'transaction'>;

/** Adds a mail to the transaction. */
export type SendMail = (tag: MailTag, to: string, mail: Mail) => Promise<void>;

/** How a transaction that lost a deadlock or a lock is run again: short, since a person waits. */
const RETRY: RetryPolicy = { firstWaitMs: 15, factor: 2, maxWaitMs: 300, jitter: 0.5, maxAttempts: 6 };

/**
 * Runs a business transaction that may send mails; again from its beginning when the database rolled it back for another's sake. An unknown
 * outcome of COMMIT is never run again.
 */
export async function inMailTransaction<T>(producer: MailProducer, work: (tx: Knex.Transaction, send: SendMail) => Promise<T>): Promise<T> {
  const mayRetry = (error: unknown) => {
    const cause = sqlErrorIn(error);
    return cause !== undefined && isTransient(classifySqlError(cause));
  };
  const attempt = () => producer.transaction((tx, outbox) => work(tx, (tag, to, mail) => outbox.add(toMessage(tag, to, mail)).then(() => undefined)));
  return withRetries(attempt, { policy: RETRY, mayRetry });
}

/** The body of a mail message: the original's fields, and a plain text beside the HTML. */
function toMessage(tag: MailTag, to: string, mail: Mail) {
  const body = JSON.stringify({ to: [to], subject: mail.subject, text: mail.html, plain: mail.plain });
  return { topic: EMAIL_TOPIC, tag, body, contentType: 'application/json' };
}
