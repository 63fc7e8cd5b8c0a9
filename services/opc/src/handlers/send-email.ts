/**
 * SEND_EMAIL_TOPIC (F-51): one mail to each recipient. Each recipient is an effect of its own, so that one refused address, or a crash between
 * two mails, touches no other; a repeat carries the same Message-ID.
 */
import { BadMessageError, type ConsumedMessage, EffectDeferred, EffectFailed, type EffectHandler } from '@tpc/client/consumer';
import { htmlToPlainText } from '../adapters/plain-text.ts';
import { type Mailer, MailFailure } from '../adapters/smtp.ts';
import { type DeferralPolicy, deferredFor, inWords, waitAfterDeferral } from '../domain/deferral.ts';
import { type EmailMessage, readEmailMessage } from '../domain/email-message.ts';
import { recipientHash } from '../domain/mail-address.ts';
import { mailMessageId } from '../domain/message-id.ts';
import { REASONS } from '../domain/reasons.ts';

export const SEND_EMAIL_TOPIC = 'SEND_EMAIL_TOPIC';
/** What mails wait for that no server has refused: `Consumer.wake` of this name brings them forward. */
export const MAIL_SERVER = 'mail-server';

/** How much longer than a mail's own time limit the library waits for it, and how much longer an effect belongs to this process; milliseconds. */
const TIMEOUT_MARGIN_MS = 1_000;
const LEASE_MARGIN_MS = 5_000;

export type SendEmailOptions = {
  mailer: Mailer;
  /** Domain of the Message-IDs. */
  domain: string;
  /** Longest time for one mail, milliseconds. */
  timeoutMs: number;
  /** Mails at once. */
  concurrency: number;
  deferral: DeferralPolicy;
};

/** What an effect stores beside its key. */
type Payload = { to: string };

export function createSendEmailHandler({ mailer, domain, timeoutMs, concurrency, deferral }: SendEmailOptions): EffectHandler {
  return {
    timeoutMs: timeoutMs + TIMEOUT_MARGIN_MS,
    leaseMs: timeoutMs + LEASE_MARGIN_MS,
    // Two mails with one Message-ID are better than none.
    onUncertain: 'repeat',
    concurrency,
    effects: (message) =>
      readEmail(message).recipients.map((to) => ({ key: recipientHash(message.messageKey, to), payload: { to } satisfies Payload })),
    run: async (effect, message, { signal, deferrals }) => {
      const { subject, html, plain } = readEmail(message);
      const { to } = effect.payload as Payload;
      const messageId = mailMessageId({ messageKey: message.messageKey, generation: message.generation, recipientHash: effect.key, domain });
      const mail = { to, subject, html, text: plain ?? htmlToPlainText(html), messageId, messageKey: message.messageKey };
      const { reply } = await mailer.send(mail, signal).catch((error: unknown) => {
        throw error instanceof MailFailure ? outcomeOf(error, deferrals, deferral) : error;
      });
      return { result: reply };
    },
  };
}

/** @throws BadMessageError naming the field */
function readEmail(message: ConsumedMessage): EmailMessage {
  const read = readEmailMessage(message.body);
  if ('email' in read) return read.email;
  throw new BadMessageError(`${read.bad.field} ${read.bad.problem}`, REASONS.MAIL_CONTENT_INVALID.code);
}

/**
 * What follows from a mail that was not taken. A refusal for good ends the effect. What would stop every mail makes this one wait, without an end. What the
 * server wants later waits on its own, until its life is over; so does what alone was refused while others were taken.
 */
function outcomeOf({ verdict, message, hold }: MailFailure, deferrals: number, policy: DeferralPolicy): Error {
  if (verdict === 'recipient') return new EffectFailed(REASONS.MAIL_RECIPIENT_REFUSED.code, message);
  if (verdict === 'mail') return new EffectFailed(REASONS.MAIL_REFUSED.code, message);
  if (hold && !hold.mayBeTheMail) return new EffectDeferred(message, { waitMs: hold.waitMs, counts: false, waitsFor: MAIL_SERVER });
  const waitMs = waitAfterDeferral(deferrals, policy, Math.random());
  if (waitMs !== undefined) return new EffectDeferred(message, { waitMs });
  const tries = `put off ${deferrals + 1} times in ${inWords(deferredFor(deferrals, policy))}`;
  return new EffectFailed(REASONS.MAIL_EXPIRED.code, `${tries}; the last answer: ${message}`);
}
