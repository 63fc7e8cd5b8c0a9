import { addressIdentity, parseMailAddress } from './mail-address.ts';

/** Limits of one message on SEND_EMAIL_TOPIC. */
export const MAX_RECIPIENTS = 100;
/** RFC 5322 §2.1.1: a line has at most 998 characters. */
export const MAX_SUBJECT_CHARACTERS = 998;
/** For `text` and for `plain`, bytes of UTF-8. */
export const MAX_TEXT_BYTES = 1024 * 1024;

/** What a message on SEND_EMAIL_TOPIC asks for (F-51). */
export type EmailMessage = {
  /** Normalised, each mailbox once, in the order given. */
  recipients: readonly string[];
  subject: string;
  html: string;
  /** The producer's own plain text; undefined: none given. */
  plain: string | undefined;
};

/** Why a body is no e-mail. Both parts may be stored and reported: they hold nothing of the body. */
export type BadField = { field: string; problem: string };

/** A body that is no e-mail; see `readEmailMessage`. */
class FieldError extends Error {
  readonly bad: BadField;
  constructor(field: string, problem: string) {
    super();
    this.bad = { field, problem };
  }
}

/** Line breaks of any kind and other control characters; a tab is harmless. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not come in
const CONTROL = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u2028\u2029]/;

/**
 * Reads the body `{"to": ["…"], "subject": "…", "text": "<HTML>", "plain": "…"}`; `plain` may be absent, further members are passed over.
 * Pure.
 * @returns the e-mail, or the first field that is wrong
 */
export function readEmailMessage(body: Uint8Array): { email: EmailMessage } | { bad: BadField } {
  try {
    const content = readObject(body);
    return {
      email: {
        recipients: readRecipients(content.to),
        subject: readSubject(content.subject),
        html: readText('text', content.text),
        plain: content.plain === undefined || content.plain === null ? undefined : readText('plain', content.plain),
      },
    };
  } catch (error) {
    // Stryker disable next-line ConditionalExpression: nothing else is thrown here that is known of.
    if (error instanceof FieldError) return { bad: error.bad };
    throw error;
  }
}

function readObject(body: Uint8Array): Record<string, unknown> {
  let content: unknown;
  try {
    content = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    // The parser's own words quote the body, so they are not passed on.
    throw new FieldError('body', 'is not JSON in UTF-8');
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content)) throw new FieldError('body', 'is not a JSON object');
  return content as Record<string, unknown>;
}

function readRecipients(to: unknown): string[] {
  if (!Array.isArray(to)) throw new FieldError('to', 'is not a list of addresses');
  if (to.length < 1 || to.length > MAX_RECIPIENTS) throw new FieldError('to', `has ${to.length} addresses; allowed are 1 to ${MAX_RECIPIENTS}`);
  const byIdentity = new Map<string, string>();
  for (const [index, entry] of to.entries()) {
    const address = typeof entry === 'string' ? parseMailAddress(entry) : undefined;
    if (address === undefined) throw new FieldError(`to[${index}]`, 'is not a mail address');
    const identity = addressIdentity(address);
    if (!byIdentity.has(identity)) byIdentity.set(identity, address);
  }
  return [...byIdentity.values()];
}

function readSubject(subject: unknown): string {
  if (typeof subject !== 'string') throw new FieldError('subject', 'is not a string');
  if (subject.trim() === '') throw new FieldError('subject', 'is empty');
  if (CONTROL.test(subject)) throw new FieldError('subject', 'holds a line break or another control character');
  if (subject.length > MAX_SUBJECT_CHARACTERS)
    throw new FieldError('subject', `has ${subject.length} characters; at most ${MAX_SUBJECT_CHARACTERS} are allowed`);
  return subject;
}

function readText(field: 'text' | 'plain', text: unknown): string {
  if (typeof text !== 'string') throw new FieldError(field, 'is not a string');
  if (text.trim() === '') throw new FieldError(field, 'is empty');
  const bytes = Buffer.byteLength(text);
  if (bytes > MAX_TEXT_BYTES) throw new FieldError(field, `has ${bytes} bytes; at most ${MAX_TEXT_BYTES} are allowed`);
  return text;
}
