import { setTimeout as sleep } from 'node:timers/promises';
import { classifySqlError } from '@tpc/core';
import type { Knex } from 'knex';
import type { Passwords } from '../adapters/passwords.ts';
import { type Claims, judgeClaims, waitingAtAddress } from '../domain/claims.ts';
import type { Violation } from '../domain/codes.ts';
import { mailboxOf } from '../domain/email.ts';
import type { IdGenerator } from '../domain/id-generator.ts';
import type { Language } from '../domain/language.ts';
import { checkRegistration, type Registration, type RegistrationForm, type WrongForm } from '../domain/registration.ts';
import type { User } from '../domain/user.ts';
import { contestAddress, deleteWaitingUser, findHolders, findUserById, insertUser, takeLoginName } from '../store/users.ts';
import { type ActivationLinks, sendActivationMail } from './activation-link.ts';
import { inMailTransaction, type MailProducer } from './mail-transactions.ts';
import type { RateLimiter } from './rate-limit.ts';
import { refuse, refuseFields } from './refusal.ts';
import { isOutcomeUnknown, sqlErrorIn } from './uac-error.ts';

export type RegisterParts = {
  db: Knex;
  producer: MailProducer;
  passwords: Passwords;
  ids: IdGenerator;
  links: ActivationLinks;
  limit: RateLimiter;
};

/**
 * Registrations that are tried for one mailbox, from one network and from all together. Each may send it a mail; and whoever tries from elsewhere must not
 * soon stop the owner.
 */
const PER_MAILBOX_AND_NETWORK = 10;
const PER_MAILBOX = 20;
const MAILBOX_WINDOW_MS = 60 * 60_000;

/** How often a registration is tried again when what it collided with was itself rolled back, replaced or activated meanwhile. */
const MAX_COLLISIONS = 8;
/** Longest wait before such another try, milliseconds. */
const COLLISION_WAIT_MS = 30;

/**
 * Registers a user, disabled until activated, and sends the activation mail (F-01 to F-03). User, token and outbox row are one transaction. Whether a
 * name is free is decided by the unique keys; the look before gives the code of the right field, and the waiting registrations that give way
 * (domain/claims.ts): their links end in the same transaction.
 * @param network whose registrations are counted together; empty: not known
 * @throws AppError UAC10011109 too many for this mailbox; UAC10011006 to UAC10011019 and UAC100111xx, see domain/registration.ts
 */
export async function register(parts: RegisterParts, form: RegistrationForm, language: Language, network = ''): Promise<User> {
  const checked = checkRegistration(form);
  if ('violations' in checked) throw refuseFields([...checked.violations, ...(await takenBeside(parts.db, checked))]);
  const { registration } = checked;
  await limitMailbox(parts.limit, mailboxOf(registration.emailKey), network).catch(async (error: unknown) => {
    await contestAddress(parts.db, registration.emailKey);
    throw error;
  });
  let passwordHash: string | undefined;
  for (let collisions = 0; ; collisions++) {
    const { replaced, nameless, contested } = await claim(parts, registration);
    passwordHash ??= await parts.passwords.hash(registration.password);
    const id = parts.ids.next();
    try {
      return await insertAndSend(parts, { id, registration, passwordHash, contested, replaced, nameless }, language);
    } catch (error) {
      if (isOutcomeUnknown(error)) return await userOrUnknown(parts.db, id, error);
      const collision = classifySqlError(sqlErrorIn(error)) === 'duplicate';
      if (!collision) throw error;
      if (collisions === MAX_COLLISIONS) throw refuse('UAC10011111', { cause: error });
      await sleep(Math.random() * COLLISION_WAIT_MS);
    }
  }
}

/** What of a wrong form is taken as well: a person is told all in one round. */
async function takenBeside(db: Knex, { keys }: WrongForm): Promise<Violation[]> {
  const claims = judgeClaims(await findHolders(db, keys), { password: false, mobile: false });
  return 'taken' in claims ? claims.taken : [];
}

function limitMailbox(limit: RateLimiter, mailbox: string, network: string): Promise<void> {
  const window = { windowMs: MAILBOX_WINDOW_MS };
  const fromNetwork = { name: 'register-mailbox-network', value: `${mailbox} ${network}`, max: PER_MAILBOX_AND_NETWORK, ...window };
  return limit([...(network === '' ? [] : [fromNetwork]), { name: 'register-mailbox', value: mailbox, max: PER_MAILBOX, ...window }]);
}

/** @throws AppError for what is taken */
async function claim(parts: RegisterParts, registration: Registration): Promise<Exclude<Claims, { taken: unknown }>> {
  const holders = await findHolders(parts.db, registration);
  const waiting = waitingAtAddress(holders);
  const password = waiting !== undefined && (await parts.passwords.matches(registration.password, waiting.passwordHash));
  const claims = judgeClaims(holders, { password, mobile: waiting?.mobileKey === registration.mobileKey });
  if ('taken' in claims) {
    if (waiting !== undefined && !password) await contestAddress(parts.db, registration.emailKey);
    throw refuseFields(claims.taken);
  }
  return claims;
}

type NewUser = {
  id: string;
  registration: Registration;
  passwordHash: string;
  contested: boolean;
  replaced: readonly string[];
  nameless: readonly string[];
};

/**
 * The user row first: a key that is taken then costs neither an outbox row nor a call to TPC. A registration that was to be replaced and waits no more has
 * been activated, or replaced by another one: the keys that are held then refuse this one.
 */
function insertAndSend(parts: RegisterParts, { id, registration, replaced, nameless, ...secret }: NewUser, language: Language): Promise<User> {
  return inMailTransaction(parts.producer, async (tx, send) => {
    for (const waiting of replaced) await deleteWaitingUser(tx, waiting);
    for (const waiting of nameless) await takeLoginName(tx, waiting);
    await insertUser(tx, id, registration, secret);
    const user = (await findUserById(tx, id)) as User;
    await sendActivationMail(parts.links, tx, send, user, language);
    return user;
  });
}

/** After a COMMIT without an answer: the row says that it committed; its absence says nothing yet. */
async function userOrUnknown(db: Knex, id: string, cause: unknown): Promise<User> {
  const user = await findUserById(db, id);
  if (!user) throw refuse('UAC10011110', { cause });
  return user;
}
