import type { Knex } from 'knex';
import type { Language } from '../domain/language.ts';
import { hashSecretToken } from '../domain/secret-token.ts';
import { awaitsActivation, type User } from '../domain/user.ts';
import type { MailRenderer } from '../mails/render-mail.ts';
import { consumeActivationToken, findActivationTokenUser } from '../store/activation-tokens.ts';
import { enableUser, findUserById, insertRoleAndGroup, lockUser } from '../store/users.ts';
import { inMailTransaction, type MailProducer, type SendMail } from './mail-transactions.ts';
import { refuse, refuseFields } from './refusal.ts';

export type ActivateParts = { db: Knex; producer: MailProducer; renderer: MailRenderer };

/** `already`: the link belongs to a user who is active; nothing was changed and no mail sent. */
export type Activation = { user: User; already: boolean };

/** Role of a visitor and the first group, as the original gives them. */
const VISITOR_ROLE = 10000;
const FIRST_GROUP = 1;

/**
 * Activates the user of an activation link (F-04): token, status, role, group and the success mail in one transaction.
 * @throws AppError UAC10011030 link unknown, used, void or too old; UAC10011004 no such user; UAC10011038 not to be activated
 */
export async function activate(parts: ActivateParts, token: string, language: Language): Promise<Activation> {
  const tokenHash = hashSecretToken(token);
  if (!tokenHash) throw refuseFields([{ field: 'token', code: 'UAC10011030' }]);
  const userId = await findActivationTokenUser(parts.db, tokenHash);
  if (!userId) throw refuse('UAC10011030');
  const seen = await findUserById(parts.db, userId);
  if (seen?.status === 'ENABLE') return { user: seen, already: true };
  return inMailTransaction(parts.producer, (tx, send) => activateInTransaction(parts, tx, send, { tokenHash, userId, language }));
}

type Step = { tokenHash: Buffer; userId: string; language: Language };

async function activateInTransaction(parts: ActivateParts, tx: Knex.Transaction, send: SendMail, step: Step): Promise<Activation> {
  const user = await lockUser(tx, step.userId);
  if (!user) throw refuse('UAC10011004');
  if (user.status === 'ENABLE') return { user, already: true };
  if (!(await consumeActivationToken(tx, step.tokenHash))) throw refuse('UAC10011030');
  if (!awaitsActivation(user) || !(await enableUser(tx, user.id))) throw refuse('UAC10011038');
  await insertRoleAndGroup(tx, user.id, VISITOR_ROLE, FIRST_GROUP);
  await send('ACTIVE_USER_SUCCESS', user.email, parts.renderer.activeUserSuccess({ loginName: user.loginName }, step.language));
  return { user: { ...user, status: 'ENABLE', everActive: true }, already: false };
}
