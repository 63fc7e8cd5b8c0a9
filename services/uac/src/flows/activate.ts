import { classifySqlError } from '@tpc/core';
import type { Knex } from 'knex';
import type { Passwords } from '../adapters/passwords.ts';
import { mobileKey } from '../domain/identity.ts';
import type { Language } from '../domain/language.ts';
import { hashSecretToken } from '../domain/secret-token.ts';
import { awaitsActivation, type User } from '../domain/user.ts';
import type { MailRenderer } from '../mails/render-mail.ts';
import { consumeActivationToken, findActivationToken } from '../store/activation-tokens.ts';
import { enableUser, findPasswordHash, findUserById, insertRoleAndGroup, lockUser } from '../store/users.ts';
import { inMailTransaction, type MailProducer, type SendMail } from './mail-transactions.ts';
import type { RateLimiter } from './rate-limit.ts';
import { refuse, refuseFields } from './refusal.ts';
import { sqlErrorIn } from './uac-error.ts';

export type ActivateParts = { db: Knex; producer: MailProducer; renderer: MailRenderer; passwords: Passwords; limit: RateLimiter };

/** `already`: the link belongs to a user who is active; there is nothing to change and no mail to send. */
export type Activation = { user: User; already: boolean };

export type ActivationRequest = {
  token: string;
  /** Asked for where the registration is contested; else it may be empty. `unasked`: the newest registration is believed without (UAC_ACTIVATE_BY_GET). */
  password: string | 'unasked';
  language: Language;
};

/** Role of a visitor and the first group, as the original gives them. */
const VISITOR_ROLE = 10000;
const FIRST_GROUP = 1;
/** Passwords that are tried with one link. */
const PER_LINK = 10;
const LINK_WINDOW_MS = 15 * 60_000;

/**
 * What an activation link would do; changes nothing.
 * @throws AppError UAC10011030 link unknown, of a replaced registration, used or too old; UAC10011004 no such user; UAC10011038 not to be activated
 */
export async function readActivationLink(db: Knex, token: string): Promise<Activation> {
  const { user } = await findLink(db, token);
  return { user, already: user.status === 'ENABLE' };
}

/**
 * Activates the user of an activation link (F-04): token, status, role, group and the success mail in one transaction.
 * @throws AppError as readActivationLink; UAC10011112, UAC10011113 the registration is contested, and its password is missing or wrong; UAC10011109 tried
 *   too often with this link
 */
export async function activate(parts: ActivateParts, request: ActivationRequest): Promise<Activation> {
  const { user, tokenHash } = await findLink(parts.db, request.token);
  if (user.status === 'ENABLE') return { user, already: true };
  const unasked = request.password === 'unasked';
  if (user.contested && !unasked) await checkPassword(parts, user, tokenHash, request.password);
  const step = { tokenHash, userId: user.id, language: request.language, mayBeContested: user.contested || unasked };
  const activateWith = (mobile: string | undefined) =>
    inMailTransaction(parts.producer, (tx, send) => activateInTransaction(parts, tx, send, { ...step, mobile }));
  try {
    return await activateWith(mobileKey(user.mobileNo));
  } catch (error) {
    if (classifySqlError(sqlErrorIn(error)) !== 'duplicate') throw error;
    // Another user has become active with this number. Nobody has proven it, so that it must not stop this one.
    return await activateWith(undefined);
  }
}

async function findLink(db: Knex, token: string): Promise<{ user: User; tokenHash: Buffer }> {
  const tokenHash = hashSecretToken(token);
  if (!tokenHash) throw refuseFields([{ field: 'token', code: 'UAC10011030' }]);
  const link = await findActivationToken(db, tokenHash);
  if (!link) throw refuse('UAC10011030');
  const user = await findUserById(db, link.userId);
  if (!user) throw refuse('UAC10011004');
  if (user.status === 'ENABLE') return { user, tokenHash };
  if (!link.usable) throw refuse('UAC10011030');
  if (!awaitsActivation(user)) throw refuse('UAC10011038');
  return { user, tokenHash };
}

/**
 * Whoever reads the mails of a contested address may have registered, or somebody else may have used the address: the link alone must not make a
 * stranger's password good.
 */
async function checkPassword({ db, passwords, limit }: ActivateParts, user: User, tokenHash: Buffer, password: string): Promise<void> {
  if (password === '') throw refuseFields([{ field: 'loginPwd', code: 'UAC10011112' }]);
  await limit([{ name: 'activation-link', value: tokenHash.toString('hex'), max: PER_LINK, windowMs: LINK_WINDOW_MS }]);
  if (!(await passwords.matches(password, await findPasswordHash(db, user.id)))) throw refuseFields([{ field: 'loginPwd', code: 'UAC10011113' }]);
}

type Step = { tokenHash: Buffer; userId: string; language: Language; mayBeContested: boolean; mobile: string | undefined };

async function activateInTransaction(parts: ActivateParts, tx: Knex.Transaction, send: SendMail, step: Step): Promise<Activation> {
  const user = await lockUser(tx, step.userId);
  // Gone since the look before: a new registration of the same address has replaced it.
  if (!user) throw refuse('UAC10011030');
  if (user.status === 'ENABLE') return { user, already: true };
  // Contested since the look before: its password was not asked for.
  if (user.contested && !step.mayBeContested) throw refuseFields([{ field: 'loginPwd', code: 'UAC10011112' }]);
  if (!(await consumeActivationToken(tx, step.tokenHash))) throw refuse('UAC10011030');
  if (!awaitsActivation(user) || !(await enableUser(tx, user.id, step.mobile))) throw refuse('UAC10011038');
  await insertRoleAndGroup(tx, user.id, VISITOR_ROLE, FIRST_GROUP);
  await send('ACTIVE_USER_SUCCESS', user.email, parts.renderer.activeUserSuccess({ loginName: user.loginName }, step.language));
  return { user: { ...user, status: 'ENABLE', everActive: true }, already: false };
}
