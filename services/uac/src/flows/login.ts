import { randomUUID } from 'node:crypto';
import { inPacketTransaction } from '@tpc/core';
import type { KnownDevices } from '../adapters/known-devices.ts';
import type { Passwords } from '../adapters/passwords.ts';
import type { Violation } from '../domain/codes.ts';
import type { IdGenerator } from '../domain/id-generator.ts';
import { loginNameKey } from '../domain/identity.ts';
import { loginRefusal, type User } from '../domain/user.ts';
import { insertLoginLog } from '../store/login-log.ts';
import { type ClientAddress, insertSession } from '../store/sessions.ts';
import { findUserForLogin, updateLastLogin } from '../store/users.ts';
import type { Limit, RateLimiter } from './rate-limit.ts';
import { refuse, refuseFields } from './refusal.ts';
import { issueTokens, type SessionParts, type SessionTokens } from './session-tokens.ts';

/** How often one login name may be tried; 0: any number. */
export type LoginLimits = {
  /** In 15 minutes, from one network or by one known device. */
  perNetwork: number;
  /** In an hour, by all others than known devices together: slower and larger, so that guesses from many networks end, and few do not stop anybody. */
  anywhere: number;
};

export type LoginParts = SessionParts & {
  passwords: Passwords;
  ids: IdGenerator;
  limit: RateLimiter;
  limits: LoginLimits;
  knownDevices: KnownDevices;
};

const NETWORK_WINDOW_MS = 15 * 60_000;
const ANYWHERE_WINDOW_MS = 60 * 60_000;

export type LoginClient = ClientAddress & {
  /** Whose tries are counted together; empty: not known, as behind a front end. */
  network: string;
  /** What a browser shows of an earlier login. */
  device?: string | undefined;
};

/** `device`: what the browser shows at its next login. */
export type Login = { user: User; tokens: SessionTokens; device: string };

export type Credentials = { loginName: string; loginPwd: string };

/**
 * Logs in and opens a session (F-12). An unknown name and a wrong password have one answer and cost the same; that a user is not active is told
 * only to who knows the password.
 * @throws AppError UAC10011109 this name was tried too often from this network, or from everywhere; UAC10011007, UAC10011014 missing; UAC10011016 wrong; UAC10011106 not active yet; UAC10011107 disabled
 */
export async function login(parts: LoginParts, credentials: Credentials, client: LoginClient): Promise<Login> {
  const [missing, ...more] = missingOf(credentials);
  if (missing) throw refuseFields([missing, ...more]);
  const name = loginNameKey(credentials.loginName) ?? '';
  await parts.limit(limitsOf(parts, name, client));
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
  const tokens = await inPacketTransaction(parts.db, async (tx) => {
    await updateLastLogin(tx, user.id, client.ip);
    await insertLoginLog(tx, { ...entry, outcome: 'SUCCESS' });
    await insertSession(tx, sessionId, user.id, client);
    return issueTokens(parts, tx, user, sessionId);
  });
  return { user, tokens, device: parts.knownDevices.issue(name) };
}

/** The network's limit first: whoever has used it up does not use up that of all. */
function limitsOf({ limits, knownDevices }: LoginParts, name: string, client: LoginClient): Limit[] {
  const { perNetwork, anywhere } = limits;
  const device = knownDevices.deviceOf(name, client.device);
  const fromOne = (limit: string, value: string) => ({ name: limit, value: `${name} ${value}`, max: perNetwork, windowMs: NETWORK_WINDOW_MS });
  const all: Limit[] = [];
  if (device !== undefined) all.push(fromOne('login-name-device', device));
  else {
    if (client.network !== '') all.push(fromOne('login-name-network', client.network));
    all.push({ name: 'login-name', value: name, max: anywhere, windowMs: ANYWHERE_WINDOW_MS });
  }
  return all.filter(({ max }) => max > 0);
}

function missingOf({ loginName, loginPwd }: Credentials): Violation[] {
  const missing: Violation[] = [];
  if (loginName.trim() === '') missing.push({ field: 'loginName', code: 'UAC10011007' });
  if (loginPwd === '') missing.push({ field: 'loginPwd', code: 'UAC10011014' });
  return missing;
}
