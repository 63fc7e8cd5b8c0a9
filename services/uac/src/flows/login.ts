import { randomUUID } from 'node:crypto';
import { inTransaction } from '@tpc/core';
import type { Passwords } from '../adapters/passwords.ts';
import type { Violation } from '../domain/codes.ts';
import type { IdGenerator } from '../domain/id-generator.ts';
import { loginNameKey } from '../domain/identity.ts';
import { loginRefusal, type User } from '../domain/user.ts';
import { insertLoginLog } from '../store/login-log.ts';
import { type ClientAddress, insertSession } from '../store/sessions.ts';
import { findUserForLogin, updateLastLogin } from '../store/users.ts';
import type { RateLimiter } from './rate-limit.ts';
import { refuse, refuseFields } from './refusal.ts';
import { issueTokens, type SessionParts, type SessionTokens } from './session-tokens.ts';

export type LoginParts = SessionParts & { passwords: Passwords; ids: IdGenerator; limit: RateLimiter; maxPerName: number };

/** Within it, a login name is tried at most `maxPerName` times, from wherever. Milliseconds. */
const NAME_WINDOW_MS = 15 * 60_000;

export type Credentials = { loginName: string; loginPwd: string };

/**
 * Logs in and opens a session (F-12). An unknown name and a wrong password have one answer and cost the same; that a user is not active is told
 * only to who knows the password.
 * @throws AppError UAC10011109 this name was tried too often; UAC10011007, UAC10011014 missing; UAC10011016 wrong; UAC10011106 not active yet; UAC10011107 disabled
 */
export async function login(parts: LoginParts, credentials: Credentials, client: ClientAddress): Promise<{ user: User; tokens: SessionTokens }> {
  const [missing, ...more] = missingOf(credentials);
  if (missing) throw refuseFields([missing, ...more]);
  const name = loginNameKey(credentials.loginName) ?? '';
  if (parts.maxPerName > 0) await parts.limit([{ name: 'login-name', value: name, max: parts.maxPerName, windowMs: NAME_WINDOW_MS }]);
  const found = await findUserForLogin(parts.db, name);
  const right = await parts.passwords.matches(credentials.loginPwd, found?.passwordHash);
  if (!found || !right) throw refuse('UAC10011016');
  const { user } = found;
  const entry = { id: parts.ids.next(), userId: user.id, client };
  const refusal = loginRefusal(user);
  if (refusal) {
    await insertLoginLog(parts.db, { ...entry, outcome: refusal === 'UAC10011106' ? 'NOT_ACTIVE' : 'DISABLED' });
    throw refuse(refusal);
  }
  const sessionId = randomUUID();
  const tokens = await inTransaction(parts.db, async (tx) => {
    await updateLastLogin(tx, user.id, client.ip);
    await insertLoginLog(tx, { ...entry, outcome: 'SUCCESS' });
    await insertSession(tx, sessionId, user.id, client);
    return issueTokens(parts, tx, user, sessionId);
  });
  return { user, tokens };
}

function missingOf({ loginName, loginPwd }: Credentials): Violation[] {
  const missing: Violation[] = [];
  if (loginName.trim() === '') missing.push({ field: 'loginName', code: 'UAC10011007' });
  if (loginPwd === '') missing.push({ field: 'loginPwd', code: 'UAC10011014' });
  return missing;
}
