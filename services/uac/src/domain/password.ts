const MIN_CHARACTERS = 8;
const MAX_CHARACTERS = 64;
/** bcrypt reads no further. */
const MAX_BYTES = 72;

/** Whether a password may be chosen: 8 to 64 characters, at most 72 bytes of UTF-8, no NUL (which would end it in bcrypt). */
export function isAllowedPassword(password: string): boolean {
  const characters = [...password].length;
  return characters >= MIN_CHARACTERS && characters <= MAX_CHARACTERS && fitsBcrypt(password);
}

/** Whether bcrypt would see the whole of it; anything else can be nobody's password. */
export function fitsBcrypt(password: string): boolean {
  return Buffer.byteLength(password) <= MAX_BYTES && !password.includes('\0');
}
