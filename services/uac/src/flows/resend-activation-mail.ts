import type { Knex } from 'knex';
import { emailKey, emailProblem, mailboxOf } from '../domain/email.ts';
import type { Language } from '../domain/language.ts';
import { awaitsActivation } from '../domain/user.ts';
import { findUserByKey, lockUser } from '../store/users.ts';
import { type ActivationLinks, sendActivationMail } from './activation-link.ts';
import { inMailTransaction, type MailProducer } from './mail-transactions.ts';
import type { RateLimiter } from './rate-limit.ts';
import { refuseFields } from './refusal.ts';

export type ResendParts = { db: Knex; producer: MailProducer; limit: RateLimiter; links: ActivationLinks };

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** Mails that one mailbox gets, and that one ip asks for. */
const PER_ADDRESS_MINUTE = 1;
const PER_ADDRESS_HOUR = 5;
const PER_IP_HOUR = 30;

/**
 * Sends the activation mail again, with a new link. The ones before go on working, since theirs may be the mail that arrives first, until one of them is
 * used. The answer is the same whether the address is known, active or
 * neither. (How long it takes is not hidden: checkValid tells anyone which addresses have an active user.)
 * @param ip whose requests are limited; empty: nobody's
 * @throws AppError UAC10011018 address missing, UAC10011102 not an address, UAC10011109 too many requests
 */
export async function resendActivationMail(parts: ResendParts, email: string, language: Language, ip: string): Promise<void> {
  if (email.trim() === '') throw refuseFields([{ field: 'email', code: 'UAC10011018' }]);
  const key = emailKey(email);
  if (!key) throw refuseFields([{ field: 'email', code: emailProblem(email) }]);
  const mailbox = mailboxOf(key);
  await parts.limit([
    ...(ip === '' ? [] : [{ name: 'resend-ip-hour', value: ip, max: PER_IP_HOUR, windowMs: HOUR_MS }]),
    { name: 'resend-minute', value: mailbox, max: PER_ADDRESS_MINUTE, windowMs: MINUTE_MS },
    { name: 'resend-hour', value: mailbox, max: PER_ADDRESS_HOUR, windowMs: HOUR_MS },
  ]);
  const found = await findUserByKey(parts.db, 'email', key);
  if (!found || !awaitsActivation(found)) return;
  await inMailTransaction(parts.producer, async (tx, send) => {
    const user = await lockUser(tx, found.id);
    if (!user || !awaitsActivation(user)) return;
    await sendActivationMail(parts.links, tx, send, user, language);
  });
}
