import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { status } from '@grpc/grpc-js';
import { AppError } from '../errors.ts';

const IV_BYTES = 12;
const TAG_BYTES = 16;
const CIPHER = 'aes-256-gcm';

/** Makes and reads the page tokens of lists (AIP-158): opaque, so that nobody builds on what stands in them. */
export type PageTokens = {
  /** A token that goes on after `last` in a list with these filters. */
  encode(last: unknown, filters: unknown): string;
  /**
   * What `encode` was given as `last`; undefined for the empty token of a first page.
   * @throws AppError INVALID_ARGUMENT, PAGE_TOKEN_INVALID, when the token is not one of ours, or comes with other filters
   */
  decode(token: string, filters: unknown): unknown;
};

/**
 * @param secret any bytes that all replicas share and that outlive restarts (a row in the service's database); tokens of another secret are
 * refused
 */
export function createPageTokens(secret: Uint8Array): PageTokens {
  const key = createHash('sha256').update('tpc page token').update(secret).digest();
  return {
    encode(last, filters) {
      const iv = randomBytes(IV_BYTES);
      const cipher = createCipheriv(CIPHER, key, iv);
      const text = JSON.stringify({ last, filters: hashOf(filters) });
      return Buffer.concat([iv, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]).toString('base64url');
    },
    decode(token, filters) {
      if (token === '') return undefined;
      const content = decrypt(key, token);
      if (!content) throw badToken('The page token is not one that this service made.');
      if (content.filters !== hashOf(filters)) throw badToken('The page token belongs to a list with other filters.');
      return content.last;
    },
  };
}

function decrypt(key: Buffer, token: string): { last: unknown; filters: string } | undefined {
  const bytes = Buffer.from(token, 'base64url');
  if (bytes.length <= IV_BYTES + TAG_BYTES) return undefined;
  const decipher = createDecipheriv(CIPHER, key, bytes.subarray(0, IV_BYTES));
  decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
  try {
    const text = Buffer.concat([decipher.update(bytes.subarray(IV_BYTES, -TAG_BYTES)), decipher.final()]);
    return JSON.parse(text.toString('utf8')) as { last: unknown; filters: string };
  } catch {
    // Not made with our key: GCM's check failed.
    return undefined;
  }
}

function hashOf(filters: unknown): string {
  return createHash('sha256').update(JSON.stringify(filters)).digest('base64url');
}

function badToken(message: string): AppError {
  return new AppError({
    status: status.INVALID_ARGUMENT,
    reason: 'PAGE_TOKEN_INVALID',
    message,
    violations: [{ field: 'page_token', description: message, reason: 'PAGE_TOKEN_INVALID' }],
  });
}
