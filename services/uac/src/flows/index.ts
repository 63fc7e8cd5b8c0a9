import type { KeyValueStore, Log } from '@tpc/platform';
import type { Knex } from 'knex';
import type { AccessTokens } from '../adapters/access-tokens.ts';
import type { Passwords } from '../adapters/passwords.ts';
import type { IdGenerator } from '../domain/id-generator.ts';
import type { IdentityKind } from '../domain/identity.ts';
import type { Language } from '../domain/language.ts';
import type { RegistrationForm } from '../domain/registration.ts';
import type { User } from '../domain/user.ts';
import { createMailRenderer } from '../mails/render-mail.ts';
import type { ClientAddress } from '../store/sessions.ts';
import { type Activation, type ActivationRequest, activate, readActivationLink } from './activate.ts';
import { isActive, isFree } from './check-identity.ts';
import { type Credentials, login } from './login.ts';
import type { MailProducer } from './mail-transactions.ts';
import { createRateLimiter } from './rate-limit.ts';
import { register } from './register.ts';
import { resendActivationMail } from './resend-activation-mail.ts';
import { refresh, signOut, userOfSession } from './session.ts';
import type { SessionTokens } from './session-tokens.ts';

export type FlowParts = {
  db: Knex;
  producer: MailProducer;
  passwords: Passwords;
  accessTokens: AccessTokens;
  ids: IdGenerator;
  keyValue: KeyValueStore;
  log: Log;
  /** Where people reach UAC, without a slash at the end. */
  publicUrl: () => string;
  /** Milliseconds. */
  activationLifeMs: number;
  /** Milliseconds. */
  refreshLifeMs: number;
  /** How often a login name is tried in 15 minutes; 0: any number. */
  maxLoginsPerName: number;
  now?: () => number;
};

/** What UAC does, the same for both entrances, gRPC and HTTP; each is documented at its function. All refuse with AppError. */
export type Flows = {
  register(form: RegistrationForm, language: Language): Promise<User>;
  readActivationLink(token: string): Promise<Activation>;
  activate(request: ActivationRequest): Promise<Activation>;
  resendActivationMail(email: string, language: Language, ip: string): Promise<void>;
  isFree(kind: IdentityKind, value: string): Promise<boolean>;
  isActive(kind: 'email' | 'mobileNo', value: string): Promise<boolean>;
  login(credentials: Credentials, client: ClientAddress): Promise<{ user: User; tokens: SessionTokens }>;
  refresh(refreshToken: string): Promise<SessionTokens>;
  signOut(refreshToken: string): Promise<void>;
  userOfSession(refreshToken: string): Promise<User | undefined>;
};

/** Puts the flows together. */
export function createFlows(parts: FlowParts): Flows {
  const { db, producer, publicUrl, activationLifeMs } = parts;
  const renderer = createMailRenderer({ publicUrl, activationLifeMs, now: parts.now ?? Date.now });
  const links = { renderer, publicUrl, activationLifeMs };
  const limit = createRateLimiter(parts.keyValue, parts.log);
  const sessions = { db, accessTokens: parts.accessTokens, refreshLifeMs: parts.refreshLifeMs };
  return {
    register: (form, language) => register({ db, producer, passwords: parts.passwords, ids: parts.ids, links, limit }, form, language),
    readActivationLink: (token) => readActivationLink(db, token),
    activate: (request) => activate({ db, producer, renderer, passwords: parts.passwords, limit }, request),
    resendActivationMail: (email, language, ip) => resendActivationMail({ db, producer, limit, links }, email, language, ip),
    isFree: (kind, value) => isFree(db, kind, value),
    isActive: (kind, value) => isActive(db, kind, value),
    login: (credentials, client) =>
      login({ ...sessions, passwords: parts.passwords, ids: parts.ids, limit, maxPerName: parts.maxLoginsPerName }, credentials, client),
    refresh: (refreshToken) => refresh(sessions, refreshToken),
    signOut: (refreshToken) => signOut(db, refreshToken),
    userOfSession: (refreshToken) => userOfSession(db, refreshToken),
  };
}
