import { StartError, whatAnswers } from '@tpc/platform';
import type { Mailer } from './smtp.ts';

/** How long the start waits to learn whether the settings are right, milliseconds; a server that is slower may be right. */
const ANSWER_WITHIN_MS = 4_000;

export type MailServerSettings = { SMTP_HOST: string; SMTP_PORT: number; SMTP_SECURE: boolean };

/**
 * Looks for the mail server once. One that is away is no error: mails wait.
 * @throws StartError when it refuses what the settings say, or the port belongs to something else
 */
export async function refuseWrongMailServer(mailer: Pick<Mailer, 'check' | 'state'>, settings: MailServerSettings): Promise<void> {
  await mailer.check(AbortSignal.timeout(ANSWER_WITHIN_MS));
  const { connected, error } = mailer.state();
  if (connected === true) return;
  const line = explain(error) ?? (await otherProtocol(settings));
  if (line !== undefined) throw new StartError(line);
}

/** @param error as the mailer tells it: nodemailer's code, the command, the server's answer */
function explain(error: string): string | undefined {
  if (/^EAUTH .*\b5\d\d\b/.test(error)) return `SMTP_USER, SMTP_PASSWORD: the mail server refuses them: ${error}`;
  if (/^(ENOAUTH|EAUTH)\b(?!.*\b4\d\d\b)/.test(error)) return `SMTP_USER: the mail server knows no log-in that can be used: ${error}`;
  if (/^ETLS\b(?!.*\b4\d\d\b)/.test(error)) return `SMTP_STARTTLS: the mail server does not do it: ${error}`;
  if (/certificate|altnames/i.test(error)) return `SMTP_HOST: the mail server's certificate is not trusted: ${error}`;
  return undefined;
}

async function otherProtocol({ SMTP_HOST: host, SMTP_PORT: port, SMTP_SECURE: secure }: MailServerSettings): Promise<string | undefined> {
  const found = await whatAnswers(host, port, secure ? 'TLS' : 'SMTP');
  if (found === undefined || found === (secure ? 'TLS' : 'SMTP')) return undefined;
  if (found === 'TLS') return `SMTP_SECURE: ${host}:${port} speaks TLS from the first byte: set it to true`;
  if (found === 'SMTP') return `SMTP_SECURE: ${host}:${port} does not speak TLS from the first byte: set it to false`;
  return `SMTP_PORT: ${host}:${port} speaks ${found}, not SMTP`;
}
