/**
 * The mail catcher: an SMTP server that keeps every mail, and an inbox page with Mailpit's REST that shows them. Mails reach it through real
 * SMTP, and are answered 250 only after their COMMIT.
 */

import { createMailEvents } from './inbox/events.ts';
import { startHttp } from './inbox/http.ts';
import { loadPages, type PageLink } from './inbox/pages.ts';
import { type MailLog, SILENT } from './log.ts';
import { createChaos } from './smtp/chaos.ts';
import { type Envelope, parseMail } from './smtp/parse.ts';
import { startSmtp } from './smtp/smtp.ts';
import { openMailDatabase } from './store/database.ts';
import { createMailStore, type MailStore } from './store/store.ts';

/** Mails that are kept unless said otherwise; the oldest go first. */
const DEFAULT_MAX_MESSAGES = 10_000;

export type MailCatcherOptions = {
  /** The SQLite file; made with its folder where it is missing. One process a file. */
  file: string;
  /** Default 127.0.0.1. Whoever reaches another address reads every mail. */
  host?: string;
  /** 0: any free port. */
  smtpPort: number;
  httpPort: number;
  /** The oldest mails beyond this number are deleted. Default 10,000. */
  maxMessages?: number;
  /** Links in the head of the page, such as the page where one registers. */
  links?: readonly PageLink[];
  log?: MailLog;
};

/** The ports are the real ones, also where 0 was asked for. */
export type MailCatcher = { smtpPort: number; httpPort: number; stop(): Promise<void> };

/** @throws Error with one line that names the port or file that cannot be had; nothing is left running then. */
export async function startMailCatcher(options: MailCatcherOptions): Promise<MailCatcher> {
  const { file, host = '127.0.0.1', maxMessages = DEFAULT_MAX_MESSAGES, links = [], log = SILENT } = options;
  const pages = loadPages();
  const store = createMailStore({ db: openMailDatabase(file), maxMessages });
  const events = createMailEvents();
  const chaos = createChaos();
  const accepted = { mails: 0, bytes: 0 };
  const undo: (() => Promise<void> | void)[] = [() => store.close(), () => events.close()];
  const stop = async () => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    const receive = async (raw: Buffer, envelope: Envelope) => {
      events.publish('mail', await storeMail(store, raw, envelope));
      accepted.mails++;
      accepted.bytes += raw.length;
      log.info({ size: raw.length, num_recipients: envelope.rcptTo.length }, 'a mail was stored');
    };
    const smtp = await startSmtp({ host, port: options.smtpPort, receive, chaos, log });
    undo.push(smtp.stop);
    const facts = { version: pages.version, file, startedAt: performance.now(), accepted: () => accepted };
    const smtpAddress = `${host}:${smtp.port}`;
    const http = await startHttp({ host, port: options.httpPort, store, events, chaos, facts, pages, smtpAddress, links, log });
    undo.push(http.stop);
    return { smtpPort: smtp.port, httpPort: http.port, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function storeMail(store: MailStore, raw: Buffer, envelope: Envelope) {
  return store.add(await parseMail(raw, envelope));
}
