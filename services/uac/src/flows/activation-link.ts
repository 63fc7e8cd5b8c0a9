import type { Knex } from 'knex';
import type { Language } from '../domain/language.ts';
import { hashSecretToken, newSecretToken } from '../domain/secret-token.ts';
import type { User } from '../domain/user.ts';
import type { MailRenderer } from '../mails/render-mail.ts';
import { insertActivationToken } from '../store/activation-tokens.ts';
import type { SendMail } from './mail-transactions.ts';

export type ActivationLinks = {
  renderer: MailRenderer;
  /** Where people reach UAC, without a slash at the end. */
  publicUrl: () => string;
  /**
   * Life of a link from now on, milliseconds: what the mail promises, and the time that the mail may wait on its way, since UAC does not learn when it leaves the
   * mail server.
   */
  lifeMs: number;
};

/** Sends an activation mail with a new link: outbox row and token row in the transaction. The token itself is nowhere but in the mail. */
export async function sendActivationMail(
  links: ActivationLinks,
  tx: Knex.Transaction,
  send: SendMail,
  user: User,
  language: Language,
): Promise<void> {
  const token = newSecretToken();
  const activeUserUrl = `${links.publicUrl()}/auth/activeUser/${token}`;
  const { loginName, email, contested } = user;
  const mail = links.renderer.activeUser({ loginName, email, activeUserUrl, contested }, language);
  await send('ACTIVE_USER', user.email, mail);
  await insertActivationToken(tx, hashSecretToken(token) as Buffer, user.id, links.lifeMs);
}
