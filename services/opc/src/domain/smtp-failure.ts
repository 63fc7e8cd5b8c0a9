import { type SmtpStage, type SmtpVerdict, VERDICTS, type VerdictRow } from './smtp-verdicts.ts';

/** What is known of a mail that was not taken. */
export type SmtpFailureFacts = {
  /** nodemailer's name of what happened, for example EENVELOPE, EMESSAGE, ECONNECTION. */
  errorCode: string;
  /** The command that failed: CONN, EHLO, STARTTLS, AUTH …, MAIL FROM, RCPT TO, DATA; API: nothing was said to the server. */
  command: string;
  /** The server's answer, "550 5.1.1 …", with every line of it; undefined when there was none. */
  reply: string | undefined;
};

/** The parts of an answer: the three digits, the enhanced code (RFC 2034) or none, and the words. */
export type SmtpReply = { code: string; enhanced: string | undefined; words: string };

/** Reads an answer; undefined when it is none. */
export function parseSmtpReply(reply: string): SmtpReply | undefined {
  const text = reply.trim();
  const [, code, enhanced] = /^([2-5]\d\d)(?:[ -]+([245]\.\d{1,3}\.\d{1,3})(?!\d))?/.exec(text) ?? [];
  if (code === undefined) return undefined;
  // The second line of a long answer repeats both codes.
  const words = text.replace(/^\d{3}[ -]*(?:[245]\.\d{1,3}\.\d{1,3}\s)?/gm, '').replace(/\s+/g, ' ');
  return { code, enhanced, words: words.trim() };
}

/** Judges a failure by the table of verdicts. Pure. */
export function judgeSmtpFailure({ errorCode, command, reply }: SmtpFailureFacts): SmtpVerdict {
  const answer = reply === undefined ? undefined : parseSmtpReply(reply);
  // The mail itself could not be said, or is larger than the server has announced to take: no server changes that.
  if (answer === undefined) return /^E(ENVELOPE|MESSAGE|STREAM)$/.test(errorCode) ? 'mail' : 'unavailable';
  return verdictRowOf(stageOf(command), answer)?.verdict ?? 'unavailable';
}

/** The row of the table that decides; undefined: none fits. */
export function verdictRowOf(stage: SmtpStage, answer: SmtpReply): VerdictRow | undefined {
  return VERDICTS.find((row) => fits(row, stage, answer));
}

/** These enhanced codes do not say what a refusal is about: "other", "not authorised", "protocol error". */
const SAYS_NOTHING = /^[45]\.([0-7]\.0|7\.1|5\.\d)$/;

function fits({ stages, code, enhanced, words }: VerdictRow, stage: SmtpStage, answer: SmtpReply): boolean {
  if (stages !== undefined && !stages.includes(stage)) return false;
  if (code !== undefined && !code.test(answer.code)) return false;
  // Stryker disable next-line ConditionalExpression: no pattern fits "undefined".
  if (enhanced !== undefined && !(answer.enhanced !== undefined && enhanced.test(answer.enhanced))) return false;
  if (words === undefined) return true;
  return (enhanced !== undefined || answer.enhanced === undefined || SAYS_NOTHING.test(answer.enhanced)) && words.test(answer.words);
}

/** Whether a command comes before any word about a mail: greeting, EHLO, STARTTLS, log-in. */
export function isAtConnection(command: string): boolean {
  return stageOf(command) === 'connection';
}

function stageOf(command: string): SmtpStage {
  if (command === 'MAIL FROM') return 'sender';
  if (command === 'RCPT TO') return 'recipient';
  return command === 'DATA' ? 'data' : 'connection';
}

const MAX_REPLY = 500;

/**
 * A server's answer in a form that may be stored and logged: no mail address, not the recipient's local part, one line, at most 500 characters.
 * @param address the recipient's
 */
export function withoutAddresses(text: string, address: string): string {
  const local = address.slice(0, address.lastIndexOf('@'));
  const named = (local.length > 2 ? [address, local] : [address]).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return text
    .replace(/[^\s<>"'(),;:=]+@[^\s<>"'(),;:=]+/g, '<address>')
    .replace(new RegExp(`(?<![\\p{L}\\p{N}])(${named.join('|')})(?![\\p{L}\\p{N}])`, 'giu'), '<address>')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, MAX_REPLY);
}
