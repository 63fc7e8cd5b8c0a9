import { inPacketTransaction, type Tx } from '@tpc/core';
import type { Knex } from 'knex';
import { judgeRefresh } from '../domain/refresh.ts';
import { hashSecretToken } from '../domain/secret-token.ts';
import type { User } from '../domain/user.ts';
import { consumeRefreshToken, endSession, findRefreshToken } from '../store/sessions.ts';
import { findUserById } from '../store/users.ts';
import { refuse, refuseFields } from './refusal.ts';
import { issueTokens, type SessionParts, type SessionTokens } from './session-tokens.ts';

/**
 * Exchanges a refresh token for new tokens; of two at once one gets them. A used token that comes again later ends the session.
 * @throws AppError UAC10011108
 */
export async function refresh(parts: SessionParts, refreshToken: string): Promise<SessionTokens> {
  const tokenHash = hashSecretToken(refreshToken);
  if (!tokenHash) throw refuseFields([{ field: 'refreshToken', code: 'UAC10011108' }]);
  // The refusal is thrown after the transaction: it must not undo the end of the session.
  const tokens = await inPacketTransaction(parts.db, (tx) => rotate(parts, tx, tokenHash));
  if (!tokens) throw refuse('UAC10011108');
  return tokens;
}

async function rotate(parts: SessionParts, tx: Tx, tokenHash: Buffer): Promise<SessionTokens | undefined> {
  const found = await findRefreshToken(tx, tokenHash);
  const verdict = judgeRefresh(found?.state);
  if (!found || verdict === 'refuse') return undefined;
  if (verdict === 'end-session') {
    await endSession(tx, found.sessionId, 'TOKEN_REUSED');
    return undefined;
  }
  const user = await findUserById(tx, found.userId);
  if (user?.status !== 'ENABLE') {
    await endSession(tx, found.sessionId, 'USER_DISABLED');
    return undefined;
  }
  if (!(await consumeRefreshToken(tx, tokenHash))) return undefined;
  return issueTokens(parts, tx, user, found.sessionId);
}

/** Ends the session of a refresh token. Whatever else is shown is answered the same: there is nothing to end. */
export async function signOut(db: Knex, refreshToken: string): Promise<void> {
  const tokenHash = hashSecretToken(refreshToken);
  const found = tokenHash && (await findRefreshToken(db, tokenHash));
  if (found) await endSession(db, found.sessionId, 'SIGN_OUT');
}

/** The user of a session, for pages; the token is not used up. */
export async function userOfSession(db: Knex, refreshToken: string): Promise<User | undefined> {
  const tokenHash = hashSecretToken(refreshToken);
  const found = tokenHash && (await findRefreshToken(db, tokenHash));
  if (!found || judgeRefresh(found.state) !== 'rotate') return undefined;
  const user = await findUserById(db, found.userId);
  return user?.status === 'ENABLE' ? user : undefined;
}
