import { classifySqlError } from '@tpc/core';
import type { Knex } from 'knex';
import type { Passwords } from '../adapters/passwords.ts';
import type { IdGenerator } from '../domain/id-generator.ts';
import { emailKey } from '../domain/identity.ts';
import type { Language } from '../domain/language.ts';
import { checkRegistration, type Registration, type RegistrationForm, takenViolation } from '../domain/registration.ts';
import type { User } from '../domain/user.ts';
import { findTaken, findUserById, insertUser } from '../store/users.ts';
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

/** Registrations that are tried with one e-mail address. */
const PER_ADDRESS = 20;
const ADDRESS_WINDOW_MS = 15 * 60_000;

/** How often a registration is tried again when what it collided with was itself rolled back. */
const MAX_COLLISIONS = 4;

/**
 * Registers a user, disabled until activated, and sends the activation mail (F-01 to F-03). User, token and outbox row are one transaction. Whether a
 * name is free is decided by the unique keys; the look before only saves the bcrypt and gives the code of the right field.
 * @throws AppError UAC10011109 too many with this address; UAC10011006 to UAC10011019 and UAC100111xx, see domain/registration.ts
 */
export async function register(parts: RegisterParts, form: RegistrationForm, language: Language): Promise<User> {
  const checked = checkRegistration(form);
  if ('violations' in checked) throw refuseFields(checked.violations);
  const { registration } = checked;
  await parts.limit([{ name: 'register-address', value: emailKey(registration.email) ?? '', max: PER_ADDRESS, windowMs: ADDRESS_WINDOW_MS }]);
  await refuseTaken(parts.db, registration);
  const passwordHash = await parts.passwords.hash(registration.password);
  for (let collisions = 0; ; collisions++) {
    const id = parts.ids.next();
    try {
      return await insertAndSend(parts, id, registration, passwordHash, language);
    } catch (error) {
      if (isOutcomeUnknown(error)) return await userOrUnknown(parts.db, id, error);
      const collision = classifySqlError(sqlErrorIn(error)) === 'duplicate';
      if (!collision) throw error;
      await refuseTaken(parts.db, registration);
      if (collisions === MAX_COLLISIONS) throw refuse('UAC10011111', { cause: error });
    }
  }
}

async function refuseTaken(db: Knex, registration: Registration): Promise<void> {
  const taken = takenViolation(await findTaken(db, registration));
  if (taken) throw refuseFields([taken]);
}

/** The user row first: a key that is taken then costs neither an outbox row nor a call to TPC. */
function insertAndSend(parts: RegisterParts, id: string, registration: Registration, passwordHash: string, language: Language): Promise<User> {
  return inMailTransaction(parts.producer, async (tx, send) => {
    await insertUser(tx, id, registration, passwordHash);
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
