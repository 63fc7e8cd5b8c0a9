/**
 * Passwords as RFC 8265 has them (OpaqueString): a keyboard that types é as one character and one that types it as two mean the same password, so both
 * are brought into one form before anything is counted, hashed or compared.
 */

const MIN_CHARACTERS = 8;
const MAX_CHARACTERS = 64;
/** bcrypt reads no further. */
const MAX_BYTES = 72;
const SPACES = /\p{Zs}/gu;
/**
 * What FreeformClass (RFC 8264, 4.3) does not allow: controls, unassigned and private characters, halves of characters, old Hangul letters, and what
 * nobody sees. Its context rules for the two joiners are not checked.
 */
const NOT_ALLOWED = /[\p{Cc}\p{Cn}\p{Co}\p{Cs}\u1100-\u11ff\ua960-\ua97f\ud7b0-\ud7ff]|(?![\u200c\u200d])\p{Default_Ignorable_Code_Point}/u;

/** A password in its one form: any space is the plain one, then NFC. */
export function preparePassword(typed: string): string {
  return typed.replace(SPACES, ' ').normalize('NFC');
}

/**
 * Whether a prepared password may be chosen: 8 to 64 characters, at most 72 bytes of UTF-8, none that cannot be seen or typed again.
 * @param password prepared
 */
export function isAllowedPassword(password: string): boolean {
  const characters = [...password].length;
  return characters >= MIN_CHARACTERS && characters <= MAX_CHARACTERS && fitsBcrypt(password) && !NOT_ALLOWED.test(password);
}

/** Whether bcrypt would see the whole of it; anything else can be nobody's password. */
function fitsBcrypt(password: string): boolean {
  return Buffer.byteLength(password) <= MAX_BYTES && !password.includes('\0');
}

/**
 * The forms in which a typed password may have been hashed: the prepared one; and, for hashes from before passwords were prepared, as it is typed now, and in
 * the other normal form. How many there are depends on what was typed alone.
 */
export function hashedForms(typed: string): string[] {
  return [...new Set([preparePassword(typed), typed, typed.normalize('NFD')])].filter(fitsBcrypt);
}
