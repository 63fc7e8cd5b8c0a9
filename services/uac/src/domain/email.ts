/** E-mail addresses: the form in which mail is sent, the key that tells users apart, and the mailbox that limits count. */

import { domainToASCII } from 'node:url';

/** A dot-atom before the @, at least two labels after it, as plain SMTP takes it (RFC 5321, 4.1.2). */
const ADDRESS =
  /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z][A-Za-z0-9-]{0,61}[A-Za-z0-9]$/;
const MAX_ADDRESS = 254;
const MAX_LOCAL_PART = 64;
// biome-ignore lint/suspicious/noControlCharactersInRegex: all of ASCII is meant
const ASCII = /^[\x00-\x7f]*$/;
/** Characters that no domain has, but that a host of an address bar may have around it. */
const NO_DOMAIN = /[\s@%/\\:?#[\]]/;

/**
 * An address as mail is sent to it: an international domain becomes its ASCII form (IDNA: 例子.中国 is xn--fsqu00a.xn--fiqs8s). Undefined when it is none, or
 * its part before the @ is not ASCII.
 */
export function emailAddress(typed: string): string | undefined {
  const text = typed.trim();
  if (text.length > MAX_ADDRESS) return undefined;
  const at = text.lastIndexOf('@');
  const domain = text.slice(at + 1);
  if (NO_DOMAIN.test(domain)) return undefined;
  const address = ASCII.test(domain) ? text : `${text.slice(0, at + 1)}${domainToASCII(domain)}`;
  if (address.length > MAX_ADDRESS || address.indexOf('@') > MAX_LOCAL_PART || !ADDRESS.test(address)) return undefined;
  return address;
}

/** Key of an e-mail address: lower case. (Only the domain is case-free by RFC, but no mail service tells two users apart by case.) */
export function emailKey(typed: string): string | undefined {
  return emailAddress(typed)?.toLowerCase();
}

/**
 * Why an address is refused. One whose part before the @ is not ASCII is an address (RFC 6531), but mail reaches it only where every server on its way
 * takes SMTPUTF8: it is refused here, since what was accepted must arrive.
 */
export function emailProblem(typed: string): 'UAC10011102' | 'UAC10011114' {
  const text = typed.trim();
  const at = text.lastIndexOf('@');
  const local = text.slice(0, at);
  const good = !ASCII.test(local) && !/[\s@]/.test(local) && emailAddress(`x${text.slice(at)}`) !== undefined;
  return good ? 'UAC10011114' : 'UAC10011102';
}

/** Whose mailboxes ignore dots before the @; both names are one. */
const DOTLESS = new Set(['gmail.com', 'googlemail.com']);

/**
 * The mailbox that an address leads to, for limits alone: what stands behind a plus does not make another one; nor do dots at Google. Where a mail service
 * does tell such addresses apart, they share a limit.
 */
export function mailboxOf(key: string): string {
  const at = key.lastIndexOf('@');
  const domain = key.slice(at + 1);
  const name = key.slice(0, at).replace(/(?<=.)\+.*/, '');
  return DOTLESS.has(domain) ? `${name.replaceAll('.', '')}@gmail.com` : `${name}@${domain}`;
}
