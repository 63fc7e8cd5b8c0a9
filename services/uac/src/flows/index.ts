import type { KeyValueStore, Log } from '@tpc/platform';
import type { Knex } from 'knex';
import type { AccessTokens } from '../adapters/access-tokens.ts';
import type { KnownDevices } from '../adapters/known-devices.ts';
import type { Passwords } from '../adapters/passwords.ts';
import type { IdGenerator } from '../domain/id-generator.ts';
import type { IdentityKind } from '../domain/identity.ts';
import type { Language } from '../domain/language.ts';
import type { RegistrationForm } from '../domain/registration.ts';
import type { User } from '../domain/user.ts';
import { createMailRenderer } from '../mails/render-mail.ts';
import { type Activation, type ActivationRequest, activate, readActivationLink } from './activate.ts';
import { isActive, isFree } from './check-identity.ts';
import { type Credentials, type Login, type LoginClient, type LoginLimits, login } from './login.ts';
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
  /** How long an activation link works after its mail was sent, milliseconds; and how long the mail may wait before. */
  activationLifeMs: number;
  activationWaitMs: number;
  /** Milliseconds. */
  refreshLifeMs: number;
  loginLimits: LoginLimits;
  knownDevices: KnownDevices;
  now?: () => number;
};

/** What UAC does, the same for both entrances, gRPC and HTTP; each is documented at its function. All refuse with AppError. */
export type Flows = {
  register(form: RegistrationForm, language: Language, network?: string): Promise<User>;
  readActivationLink(token: string): Promise<Activation>;
  activate(request: ActivationRequest): Promise<Activation>;
  resendActivationMail(email: string, language: Language, ip: string): Promise<void>;
  isFree(kind: IdentityKind, value: string): Promise<boolean>;
  isActive(kind: 'email' | 'mobileNo', value: string): Promise<boolean>;
  login(credentials: Credentials, client: LoginClient): Promise<Login>;
  refresh(refreshToken: string): Promise<SessionTokens>;
  signOut(refreshToken: string): Promise<void>;
  userOfSession(refreshToken: string): Promise<User | undefined>;
};

/** Puts the flows together. */
export function createFlows(parts: FlowParts): Flows {
  const { db, producer, passwords, ids, publicUrl, activationLifeMs } = parts;
  const renderer = createMailRenderer({ publicUrl, activationLifeMs, now: parts.now ?? Date.now });
  const links = { renderer, publicUrl, lifeMs: activationLifeMs + parts.activationWaitMs };
  const limit = createRateLimiter(parts.keyValue, parts.log);
  const sessions = { db, accessTokens: parts.accessTokens, refreshLifeMs: parts.refreshLifeMs };
  return {
    register: (form, language, network) => register({ db, producer, passwords, ids, links, limit }, form, language, network),
    readActivationLink: (token) => readActivationLink(db, token),
    activate: (request) => activate({ db, producer, renderer, passwords, limit }, request),
    resendActivationMail: (email, language, ip) => resendActivationMail({ db, producer, limit, links }, email, language, ip),
    isFree: (kind, value) => isFree(db, kind, value),
    isActive: (kind, value) => isActive(db, kind, value),
    login: (credentials, client) =>
      login({ ...sessions, passwords, ids, limit, limits: parts.loginLimits, knownDevices: parts.knownDevices }, credentials, client),
    refresh: (refreshToken) => refresh(sessions, refreshToken),
    signOut: (refreshToken) => signOut(db, refreshToken),
    userOfSession: (refreshToken) => userOfSession(db, refreshToken),
  };
}
