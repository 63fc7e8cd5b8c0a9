/**
 * The SMTP side of the catcher: takes every mail for every recipient, with any login or none, but for what it is asked to refuse (chaos.ts). A mail is answered 250 only when `receive` has
 * resolved, that is after its COMMIT; what is not stored is answered 4xx, so that the sender keeps it and tries again.
 */

import type { AddressInfo } from 'node:net';
import { cannotListen } from '@tpc/core';
import { SMTPServer, type SMTPServerDataStream, type SMTPServerOptions, type SMTPServerSession } from 'smtp-server';
import type { MailLog } from '../log.ts';
import { type Chaos, createChaos, type Refusal } from './chaos.ts';
import type { Envelope } from './parse.ts';

/** The largest mail that is taken, in bytes of its source (25 MiB); larger ones are answered 552. */
export const MAX_MAIL_BYTES = 25 * 1024 * 1024;
/** Each connection may hold a whole mail in memory; more clients are answered 421 and come again. */
const MAX_CLIENTS = 100;
/** How long stopping waits for mails that are being received; milliseconds. */
const STOP_GRACE_MS = 2000;

const SETTINGS: SMTPServerOptions = {
  banner: 'mail catcher',
  maxClients: MAX_CLIENTS,
  authOptional: true,
  allowInsecureAuth: true,
  authMethods: ['PLAIN', 'LOGIN'],
  // A self-signed certificate would only make clients refuse.
  disabledCommands: ['STARTTLS'],
  disableReverseLookup: true,
  closeTimeout: STOP_GRACE_MS,
  logger: false,
};

export type SmtpOptions = {
  host: string;
  port: number;
  maxBytes?: number;
  /** Stores the mail durably; a rejection is answered 451. */
  receive: (raw: Buffer, envelope: Envelope) => Promise<void>;
  /** Default: only addresses that ask for it are refused. */
  chaos?: Chaos;
  log: MailLog;
};

export type SmtpListener = { port: number; stop(): Promise<void> };

/** An error that smtp-server answers with this code. */
function smtpError(responseCode: number, message: string): Error {
  return Object.assign(new Error(message), { responseCode });
}

/** Starts listening. @throws Error with one line that names the port, when it cannot be bound. */
export async function startSmtp({ host, port, maxBytes = MAX_MAIL_BYTES, receive, chaos = createChaos(), log }: SmtpOptions): Promise<SmtpListener> {
  const busy = new Set<string>();
  let stopping = false;
  const server = new SMTPServer({
    ...SETTINGS,
    size: maxBytes,
    ...refusals(chaos),
    onData(stream, session, done) {
      busy.add(session.id);
      takeMail({ stream, session, maxBytes, receive, log })
        .then(
          (id) => done(null, id),
          (error: Error) => done(error),
        )
        .finally(() => {
          busy.delete(session.id);
          if (stopping) setImmediate(hangUpIdle);
        });
    },
  });
  const hangUpIdle = () => {
    for (const connection of server.connections) {
      if (busy.has(connection.id)) continue;
      connection.send(421, 'mail catcher is stopping');
      connection.close();
    }
  };
  await listen(server, host, port);
  server.on('error', (error) => log.info({ err: error }, 'an SMTP connection failed'));
  return {
    port: (server.server.address() as AddressInfo).port,
    stop: () =>
      new Promise((resolve) => {
        stopping = true;
        server.close(resolve);
        hangUpIdle();
      }),
  };
}

/** The steps before DATA, each of which may be refused on demand. */
function refusals(chaos: Chaos): Pick<SMTPServerOptions, 'onAuth' | 'onMailFrom' | 'onRcptTo'> {
  const answer = (refusal: Refusal | undefined) => (refusal ? smtpError(refusal.code, refusal.message) : null);
  return {
    onAuth: (auth, _session, done) => done(answer(chaos.refuses('Authentication')), { user: auth.username ?? '' }),
    onMailFrom: (_address, _session, done) => done(answer(chaos.refuses('Sender'))),
    onRcptTo: ({ address }, _session, done) => done(answer(chaos.refuses('Recipient', address))),
  };
}

function listen(server: SMTPServer, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const refuse = (error: Error) => reject(new Error(cannotListen('SMTP', host, port, error), { cause: error }));
    server.once('error', refuse);
    server.listen(port, host, () => {
      server.off('error', refuse);
      resolve();
    });
  });
}

type Transfer = Pick<SmtpOptions, 'receive' | 'log'> & { stream: SMTPServerDataStream; session: SMTPServerSession; maxBytes: number };

/** Reads one mail to its end and stores it. A connection that breaks off in between leaves nothing behind. */
async function takeMail({ stream, session, maxBytes, receive, log }: Transfer): Promise<string> {
  const raw = await readMail(stream);
  if (stream.sizeExceeded) {
    log.info({ size: stream.byteLength, max_size: maxBytes }, 'a mail was refused: too large');
    throw smtpError(552, `the mail is larger than ${maxBytes} bytes`);
  }
  const { mailFrom, rcptTo } = session.envelope;
  try {
    await receive(raw, {
      mailFrom: mailFrom ? mailFrom.address : '',
      rcptTo: rcptTo.map(({ address }) => address),
      ...(session.user ? { username: String(session.user) } : {}),
    });
  } catch (error) {
    log.error({ err: error }, 'a mail could not be stored');
    throw smtpError(451, 'the mail could not be stored, try again later');
  }
  return 'stored';
}

/** Collects the mail; past the limit only its length is counted, so that an endless mail costs no memory. */
async function readMail(stream: SMTPServerDataStream): Promise<Buffer> {
  let chunks: Buffer[] = [];
  for await (const chunk of stream) {
    if (stream.sizeExceeded) chunks = [];
    else chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}
