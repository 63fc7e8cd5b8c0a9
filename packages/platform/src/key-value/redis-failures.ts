/**
 * What a failure to connect to Redis means: `wrong` is a setting that a person must mend, and waiting cannot help; `away` may be over in
 * a moment. Errors of a cluster or of sentinels carry the one that they stand for inside.
 */
export type RedisFailure = { verdict: 'wrong' | 'away'; reason: string };

/** How Redis begins what it says to a password, user, right or database that it does not accept, or to a mode that it does not know. */
const WRONG_REPLIES =
  /^(WRONGPASS|NOAUTH|NOPERM|ERR (invalid password|DB index is out of range|invalid DB index|SELECT is not allowed|This instance has cluster support disabled|unknown command .?(sentinel|cluster)))/i;
const WRONG_CODES = /^(ERR_SSL_|ERR_TLS_|CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|ERR_OSSL_)/;

type NestedError = Error & { code?: string; lastNodeError?: Error; lastError?: Error };

export function judgeRedisFailure(error: unknown): RedisFailure {
  const inner = innermost(error as NestedError);
  const { code = '', message = String(error), name = '' } = inner;
  const wrong = WRONG_REPLIES.test(message) || WRONG_CODES.test(code) || name === 'ParserError';
  return { verdict: wrong ? 'wrong' : 'away', reason: reasonOf(code, message) };
}

function reasonOf(code: string, message: string): string {
  // A refused connection to a name with several addresses has a code and no words.
  return message || code || 'no reason given';
}

function innermost(error: NestedError): NestedError {
  const next = error.lastNodeError ?? error.lastError ?? (error.cause instanceof Error ? error.cause : undefined);
  return next ? innermost(next as NestedError) : error;
}
