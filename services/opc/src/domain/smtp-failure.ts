/** What is known of a mail that was not taken. */
export type SmtpFailureFacts = {
  /** Stage of the dialogue: CONN, EHLO, STARTTLS, AUTH …, MAIL FROM, RCPT TO, DATA; API: never sent. */
  command: string;
  /** The server's three digits; undefined when there was no answer. */
  responseCode: number | undefined;
};

/**
 * recipient, mail: refused for good, trying again cannot help. unavailable: the server cannot be had, or does not take any mail from us now.
 * deferred: it is there and wants this mail later.
 */
export type SmtpVerdict = 'recipient' | 'mail' | 'unavailable' | 'deferred';

/** 5xx answers that say how we are set up and nothing about the mail: bad sequence (503), authentication (530, 534, 535, 538). */
const ABOUT_US: readonly number[] = [503, 530, 534, 535, 538];
/**
 * Judges a failure. Only a server's own 5xx about this recipient or this mail is final (RFC 5321 §4.2.1); everything else is tried
 * again: a sender or a log-in that is refused is our setting, and the mail is not to blame.
 */
export function judgeSmtpFailure({ command, responseCode }: SmtpFailureFacts): SmtpVerdict {
  if (responseCode === undefined) return 'unavailable';
  if (responseCode === 421 || ABOUT_US.includes(responseCode)) return 'unavailable';
  const permanent = responseCode >= 500 && responseCode < 600;
  if (command === 'RCPT TO') return permanent ? 'recipient' : 'deferred';
  if (command === 'DATA') return permanent ? 'mail' : 'deferred';
  return 'unavailable';
}

const MAX_REPLY = 500;

/**
 * A server's answer in a form that may be stored and logged: no mail address, not the recipient's local part, one line, at most 500 characters.
 * @param address the recipient's
 */
export function withoutAddresses(text: string, address: string): string {
  const local = address.slice(0, address.lastIndexOf('@'));
  const named = [address, ...(local.length > 2 ? [local] : [])].map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return text
    .replace(/[^\s<>"'(),;:=]+@[^\s<>"'(),;:=]+/g, '<address>')
    .replace(new RegExp(`(?<![\\p{L}\\p{N}])(${named.join('|')})(?![\\p{L}\\p{N}])`, 'giu'), '<address>')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, MAX_REPLY);
}
