import { createHash } from 'node:crypto';
import { domainToASCII } from 'node:url';

/** Limits of RFC 5321 §4.5.3.1, in octets. */
const MAX_LOCAL = 64;
const MAX_ADDRESS = 254;

/** As HTML's e-mail inputs have it, and so without quotes, comments, blanks and control characters; with letters beyond ASCII (RFC 6531). */
const LOCAL = /^[\p{L}\p{M}\p{N}.!#$%&'*+/=?^_`{|}~-]+$/u;
const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
/** Before the conversion to ASCII, which would also take `%41` and full stops of other scripts. */
const DOMAIN_AS_WRITTEN = /^[\p{L}\p{M}\p{N}.-]+$/u;

/**
 * Reads a bare mail address (no display name) and normalises its domain: lower case, international names as punycode. The local part is
 * left as written, since only its own server knows whether its case counts.
 * @returns undefined when it is not an address
 */
export function parseMailAddress(text: string): string | undefined {
  const trimmed = text.trim().normalize('NFC');
  const at = trimmed.lastIndexOf('@');
  if (at < 1) return undefined;
  const local = trimmed.slice(0, at);
  const written = trimmed.slice(at + 1);
  if (!LOCAL.test(local) || Buffer.byteLength(local) > MAX_LOCAL || !DOMAIN_AS_WRITTEN.test(written)) return undefined;
  const domain = domainToASCII(written).toLowerCase();
  if (!domain.split('.').every((label) => LABEL.test(label))) return undefined;
  const address = `${local}@${domain}`;
  return Buffer.byteLength(address) <= MAX_ADDRESS ? address : undefined;
}

/** Whether an address can be written to a mail server by SMTPUTF8 alone (RFC 6531): its local part has letters beyond ASCII. The domain is punycode by now. */
export function needsSmtpUtf8(address: string): boolean {
  return /\P{ASCII}/u.test(address);
}

/** Two addresses with the same identity are taken for one mailbox: the case of the local part matters to practically no server. */
export function addressIdentity(address: string): string {
  return address.toLowerCase();
}

/**
 * The recipient within one message, without telling who it is: a hash of the address and the message key. With the key in it the same person
 * cannot be followed from message to message.
 * @returns 32 hex digits, the same for every generation of the message
 */
export function recipientHash(messageKey: string, address: string): string {
  return createHash('sha256').update(messageKey).update('\0').update(addressIdentity(address)).digest('hex').slice(0, 32);
}
