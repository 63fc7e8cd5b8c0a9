/**
 * Sends mails through SMTP: one mail for one recipient, over a few kept connections. A mail counts as sent only when the server has answered
 * 2xx to the end of DATA; every other end is a MailFailure with a verdict. Whatever is thrown, answered or logged here holds no address, no
 * subject and no text: nodemailer's own errors quote them and so never leave this file.
 */
import { Transform } from 'node:stream';
import { context as contexts, SpanKind } from '@opentelemetry/api';
import { inSpan, MESSAGE_KEY, type MessageTracer, orAborted } from '@tpc/core';
import type { Log } from '@tpc/platform';
import { createTransport } from 'nodemailer';
import { needsSmtpUtf8, parseMailAddress } from '../domain/mail-address.ts';
import type { HoldOutcome, HoldPolicy } from '../domain/mail-hold.ts';
import { isAtConnection, judgeSmtpFailure, withoutAddresses } from '../domain/smtp-failure.ts';
import type { SmtpVerdict } from '../domain/smtp-verdicts.ts';
import { createMailLink, type MailLink, type MailLinkState } from './mail-link.ts';
import { readExtensions } from './smtp-extensions.ts';

/** Reaching the server and its greeting must take no longer, so that a dead host does not use up the whole time of a mail; milliseconds. */
const CONNECT_TIMEOUT_MS = 10_000;

/** A mail that we break off ourselves says nothing about the server: it is due again at once. */
const BROKEN_OFF: HoldOutcome = { waitMs: 1, mayBeTheMail: false };

export type SmtpOptions = {
  host: string;
  port: number;
  /** TLS from the first byte (port 465). */
  secure: boolean;
  /** auto: where the server offers it. */
  starttls: 'auto' | 'required' | 'off';
  user: string | undefined;
  password: string | undefined;
  /** Sender of all mails. */
  from: { name: string; address: string };
  /** Mails at once, each on its own connection. */
  connections: number;
  /** Longest time for one mail in all, milliseconds. */
  timeoutMs: number;
  /** How long all mails are held after a failure that would stop every mail. */
  hold: HoldPolicy;
  /** Undefined: mails get no spans. */
  tracing?: MessageTracer | undefined;
  log: Log;
};

export type OutgoingMail = {
  to: string;
  subject: string;
  html: string;
  /** Text alternative; undefined: none. */
  text: string | undefined;
  /** With its angle brackets. */
  messageId: string;
  /** Of the message that asks for it. */
  messageKey?: string;
};

export type Mailer = {
  /**
   * Sends one mail; not at all while mails are held.
   * @param signal ends it early: the connection is closed
   * @returns the server's answer to DATA, without addresses
   * @throws MailFailure
   */
  send(mail: OutgoingMail, signal: AbortSignal): Promise<{ reply: string }>;
  /** Connects, says hello (and logs in) and leaves; the outcome is in `state()`. Never rejects; the signal ends the waiting. */
  check(signal: AbortSignal): Promise<void>;
  state(): MailLinkState;
  /** Tells each time that mails begin to go out, or go out again. */
  onOpen(listener: () => void): void;
  /** Closes the connections; a mail under way fails. */
  close(): void;
};

/** A mail was not taken. The message may be stored and logged. */
export class MailFailure extends Error {
  readonly verdict: SmtpVerdict;
  /** Where every mail would have met the failure: when the server is tried again. */
  readonly hold: HoldOutcome | undefined;
  constructor(verdict: SmtpVerdict, message: string, hold?: HoldOutcome) {
    super(message);
    this.name = 'MailFailure';
    this.verdict = verdict;
    this.hold = hold;
  }
}

export function createSmtpMailer(options: SmtpOptions): Mailer {
  const { from, timeoutMs, log, tracing } = options;
  const transport = createTransport({ ...transportOptions(options), pool: true, maxConnections: options.connections });
  // A pooled connection that ends between two mails; the pool opens another.
  transport.on('error', () => log.debug({}, 'an idle connection to the mail server ended'));
  const bodies = watchBodies(transport);
  let closed = false;
  const link = createMailLink(log, options.hold);
  const attempt = async (mail: OutgoingMail, signal: AbortSignal) => {
    const timeout = AbortSignal.timeout(timeoutMs);
    const letter = composed(mail, from);
    const ended = AbortSignal.any([signal, timeout]);
    try {
      if (needsSmtpUtf8(mail.to)) await refuseWithoutSmtpUtf8(options, ended);
      const { response } = await transport.sendMail({ ...letter, signal: ended });
      link.taken();
      return { reply: withoutAddresses(response, mail.to) };
    } catch (error) {
      const failure = timeout.aborted ? noAnswer(timeoutMs) : readFailure(error, mail.to, bodies.begun(letter.messageId));
      const brokenOff = closed || (signal.aborted && !timeout.aborted);
      throw brokenOff ? new MailFailure('unavailable', 'broken off by OPC', BROKEN_OFF) : noted(link, failure);
    } finally {
      bodies.forget(letter.messageId);
    }
  };
  const send: Mailer['send'] = async (mail, signal) => {
    // nodemailer reads an address as a list: without this, a line break or comma in it would gain a recipient.
    if (parseMailAddress(mail.to) !== mail.to) throw new MailFailure('recipient', 'the recipient is not a mail address');
    const admission = link.admit();
    if ('waitMs' in admission) {
      throw new MailFailure('unavailable', `not tried: ${admission.reason}`, { waitMs: admission.waitMs, mayBeTheMail: false });
    }
    return attempt(mail, signal).finally(admission.done);
  };
  return {
    send: (mail, signal) => inSpan(mailSpan(tracing, options, mail), () => send(mail, signal)),
    check: async (signal) => {
      const missed = (error: unknown) => link.unreachable(readFailure(error, from.address, false).error.message);
      await orAborted(transport.verify().then(link.reachable, missed), signal);
    },
    state: link.state,
    onOpen: link.onOpen,
    close: () => {
      closed = true;
      transport.close({ force: true });
    },
  };
}

/** The mail server's part of a message's trace; to whom and what stands nowhere in it. */
function mailSpan(tracing: MessageTracer | undefined, { host, port }: SmtpOptions, { messageKey }: OutgoingMail) {
  return tracing?.start('SMTP send', SpanKind.CLIENT, contexts.active(), {
    'server.address': host,
    'server.port': port,
    'network.protocol.name': 'smtp',
    ...(messageKey === undefined ? {} : { [MESSAGE_KEY]: messageKey }),
  });
}

/** A mail as nodemailer takes it; it adds the Date. */
function composed({ to, subject, html, text, messageId }: OutgoingMail, from: SmtpOptions['from']) {
  return {
    from,
    to: { name: '', address: to },
    envelope: { from: from.address, to: [to] },
    subject,
    html,
    ...(text === undefined ? {} : { text }),
    messageId,
    // RFC 3834: holiday notices do not answer such mails.
    headers: { 'Auto-Submitted': 'auto-generated' },
    xMailer: false as const,
  };
}

function transportOptions({ host, port, secure, starttls, user, password, timeoutMs }: SmtpOptions) {
  return {
    host,
    port,
    secure,
    requireTLS: starttls === 'required',
    ignoreTLS: starttls === 'off',
    ...(user === undefined ? {} : { auth: { user, pass: password ?? '' } }),
    connectionTimeout: Math.min(CONNECT_TIMEOUT_MS, timeoutMs),
    greetingTimeout: Math.min(CONNECT_TIMEOUT_MS, timeoutMs),
    dnsTimeout: Math.min(CONNECT_TIMEOUT_MS, timeoutMs),
    socketTimeout: timeoutMs,
    // A body comes from a message: it must never name a file or an address that this process then reads.
    disableFileAccess: true,
    disableUrlAccess: true,
    logger: false as const,
  };
}

/**
 * RFC 6531 §3.2: an address with letters beyond ASCII in its local part must not be sent to a server that does not offer SMTPUTF8, and there is no other
 * way to write it. nodemailer would send it as it stands.
 * @throws MailFailure where the server does not offer it, otherwise what nodemailer throws
 */
async function refuseWithoutSmtpUtf8(options: SmtpOptions, ended: AbortSignal): Promise<void> {
  const asking = readExtensions(transportOptions(options));
  const extensions = await orAborted(asking, ended);
  if (extensions === undefined) throw new MailFailure('unavailable', 'the mail server did not say in time what it can do');
  if (!extensions.has('SMTPUTF8'))
    throw new MailFailure(
      'recipient',
      'the address has letters beyond ASCII before the @, and the mail server does not take these (SMTPUTF8, RFC 6531)',
    );
}

/** Knows of which mails under way the body has begun to leave: a connection that breaks then may have been broken because of the mail. */
function watchBodies(transport: ReturnType<typeof createTransport>) {
  const begun = new Set<string>();
  transport.use('stream', ({ message }, next) => {
    const id = message.messageId();
    message.transform(
      () =>
        new Transform({
          transform(chunk, _encoding, done) {
            begun.add(id);
            done(null, chunk);
          },
        }),
    );
    next();
  });
  return { begun: (messageId: string) => begun.has(messageId), forget: (messageId: string) => begun.delete(messageId) };
}

/** A failure, and whether it came before any word about the mail. */
type Failure = { error: MailFailure; atConnection: boolean };

function noAnswer(timeoutMs: number): Failure {
  return { error: new MailFailure('unavailable', `the mail server did not finish within ${timeoutMs} ms`), atConnection: false };
}

/** Tells the link of a failure; the error then says how long mails are held, where all of them are. */
function noted(link: MailLink, { error, atConnection }: Failure): MailFailure {
  const { verdict, message } = error;
  if (verdict === 'ours' || verdict === 'unavailable') return new MailFailure(verdict, message, link.failed(atConnection, message));
  link.reachable();
  return error;
}

type SmtpError = Error & { code?: string; command?: string; response?: string };

function readFailure(error: unknown, address: string, bodyBegun: boolean): Failure {
  if (error instanceof MailFailure) return { error, atConnection: true };
  const { code = '', command = '', response, message } = error as SmtpError;
  const verdict = judgeSmtpFailure({ errorCode: code, command, reply: response });
  const words = [code, command, withoutAddresses(response ?? message, address)].filter((part) => part !== '').join(' ');
  return { error: new MailFailure(verdict, words), atConnection: isAtConnection(command) && !bodyBegun };
}
