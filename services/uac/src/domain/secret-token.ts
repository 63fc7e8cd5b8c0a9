import { createHash, randomBytes } from 'node:crypto';

const BYTES = 32;
/** 32 bytes in base64url. */
const TOKEN = /^[A-Za-z0-9_-]{43}$/;

/** A secret for a link or a session: 256 random bits. Only its hash is stored, so that a read of the database opens nothing. */
export function newSecretToken(random: (bytes: number) => Buffer = randomBytes): string {
  return random(BYTES).toString('base64url');
}

/** SHA-256 of a token, or undefined when it has not the form of one. No salt is needed: nobody guesses 256 bits. */
export function hashSecretToken(token: string): Buffer | undefined {
  return TOKEN.test(token) ? createHash('sha256').update(token).digest() : undefined;
}
