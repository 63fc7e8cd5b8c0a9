import { errors, jwtVerify, SignJWT } from 'jose';
import type { User } from '../domain/user.ts';

const ISSUER = 'uac';

export type AccessClaims = { userId: string; loginName: string; sessionId: string };

export type AccessTokens = {
  /** A signed token for the Authorization header. */
  issue(user: Pick<User, 'id' | 'loginName'>, sessionId: string): Promise<{ token: string; expiresAt: number }>;
  /** What a token says; undefined when it is not ours or has ended. */
  verify(token: string): Promise<AccessClaims | undefined>;
};

/**
 * Access tokens as JWT (RFC 7519), HS256.
 * @param key at least 32 bytes
 * @param lifeMs milliseconds
 */
export function createAccessTokens(key: Uint8Array, lifeMs: number, now: () => number = Date.now): AccessTokens {
  return {
    async issue(user, sessionId) {
      const issuedAt = Math.floor(now() / 1000);
      const expires = issuedAt + Math.floor(lifeMs / 1000);
      const token = await new SignJWT({ name: user.loginName, sid: sessionId })
        .setProtectedHeader({ alg: 'HS256', typ: 'at+jwt' })
        .setIssuer(ISSUER)
        .setSubject(user.id)
        .setIssuedAt(issuedAt)
        .setExpirationTime(expires)
        .sign(key);
      return { token, expiresAt: expires * 1000 };
    },
    async verify(token) {
      try {
        const { payload } = await jwtVerify(token, key, { algorithms: ['HS256'], issuer: ISSUER, typ: 'at+jwt', currentDate: new Date(now()) });
        return { userId: String(payload.sub), loginName: String(payload.name), sessionId: String(payload.sid) };
      } catch (error) {
        if (error instanceof errors.JOSEError) return undefined;
        throw error;
      }
    },
  };
}
