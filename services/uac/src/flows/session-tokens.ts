import type { Tx } from '@tpc/core';
import type { Knex } from 'knex';
import type { AccessTokens } from '../adapters/access-tokens.ts';
import { hashSecretToken, newSecretToken } from '../domain/secret-token.ts';
import type { User } from '../domain/user.ts';
import { insertRefreshToken } from '../store/sessions.ts';

export type SessionTokens = {
  accessToken: string;
  /** UTC milliseconds. */
  accessExpiresAt: number;
  refreshToken: string;
  refreshExpiresAt: number;
};

export type SessionParts = {
  db: Knex;
  accessTokens: AccessTokens;
  /** Life of a refresh token, milliseconds. */
  refreshLifeMs: number;
};

/** New tokens of a session; the refresh token's hash is stored in the transaction. */
export async function issueTokens(parts: SessionParts, tx: Tx, user: User, sessionId: string): Promise<SessionTokens> {
  const refreshToken = newSecretToken();
  const refreshExpiresAt = await insertRefreshToken(tx, hashSecretToken(refreshToken) as Buffer, sessionId, parts.refreshLifeMs);
  const access = await parts.accessTokens.issue(user, sessionId);
  return { accessToken: access.token, accessExpiresAt: access.expiresAt, refreshToken, refreshExpiresAt };
}
