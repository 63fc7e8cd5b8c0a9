import { readFileSync } from 'node:fs';

/** A token, or what gives the one of now; undefined: none. */
export type TokenSource = string | (() => string | undefined);

/** How long a token from a file is used before the file is looked at again, milliseconds. */
const LOOK_EVERY_MS = 1_000;

/** What may stand in `Bearer …` (RFC 6750, b64token). */
const TOKEN = /^[A-Za-z0-9._~+/-]+=*$/;

/**
 * A token that is kept in a file, for `connectTpc({ token: tokenFromFile(path) })`. The file is read again when a second has passed, so a rotated token
 * is taken without a restart; while it cannot be read or is no token, the one before holds. Space around the token does not matter.
 * @throws Error when the file cannot be read, or holds no token, at first; the content is never part of it
 */
export function tokenFromFile(path: string, now: () => number = () => performance.now()): () => string {
  let token = readToken(path);
  let readAt = now();
  return () => {
    if (now() - readAt < LOOK_EVERY_MS) return token;
    readAt = now();
    try {
      token = readToken(path);
    } catch {
      // Away or half written: the token before may still be good, and TPC says so when it is not.
    }
    return token;
  };
}

function readToken(path: string): string {
  const token = readFileSync(path, 'utf8').trim();
  if (!TOKEN.test(token)) throw new Error(`${path} holds no token`);
  return token;
}

/**
 * The metadata of a token. What is no token never reaches grpc-js, whose error would quote it.
 * @throws Error without the token
 */
export function authorizationOf(source: TokenSource | undefined): Record<string, string> {
  const token = typeof source === 'function' ? source() : source;
  if (token === undefined || token === '') return {};
  if (!TOKEN.test(token)) throw new Error('the token holds characters that a token cannot have');
  return { authorization: `Bearer ${token}` };
}
