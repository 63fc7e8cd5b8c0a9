import { UserServiceService } from '@tpc/gen/uac/v1/user_service';
import {
  AppError,
  type CallContext,
  guard,
  needs,
  type ServiceEntry,
  SHORT_REQUEST_BYTES,
  serve,
  type UnaryHandler,
  type UnaryHandlers,
} from '@tpc/platform';
import { type Language, languageOf, toLanguage } from '../domain/language.ts';
import type { Flows } from '../flows/index.ts';
import { refuse, refuseFields } from '../flows/refusal.ts';
import { toUacError } from '../flows/uac-error.ts';
import type { ClientAddress } from '../store/sessions.ts';
import { fromIdentityKind, toSessionTokens, toUserMessage } from './messages.ts';

/** UserService over the same flows as the HTTP paths: for front ends with a service token, and for operators. */
export function createUserService(flows: Flows): ServiceEntry {
  const handlers: UnaryHandlers<typeof UserServiceService> = {
    register: handler(async ({ language, ...form }, context) => ({
      user: toUserMessage(await flows.register(form, languageFor(language, context))),
    })),
    activateUser: handler(async ({ token, language, loginPwd }, context) => {
      const { user, already } = await flows.activate({ token, password: loginPwd, language: languageFor(language, context) });
      if (already) throw refuse('UAC10011030');
      return { user: toUserMessage(user) };
    }),
    resendActivationMail: handler(async ({ email, language }, context) => {
      // A front end has one ip for all its people.
      const ip = context.caller.kind === 'service' ? '' : clientOf(context).ip;
      await flows.resendActivationMail(email, languageFor(language, context), ip);
      return {};
    }),
    checkAvailability: handler(async ({ kind, value }) => ({ available: await flows.isFree(knownKind(kind), value) })),
    checkActive: handler(async ({ kind, value }) => {
      const known = knownKind(kind);
      if (known === 'loginName') throw refuseFields([{ field: 'kind', code: 'UAC10011017' }]);
      return { active: await flows.isActive(known, value) };
    }),
    login: handler(async ({ loginName, loginPwd }, context) => {
      const { user, tokens } = await flows.login({ loginName, loginPwd }, { ...clientOf(context), network: '' });
      return { user: toUserMessage(user), tokens: toSessionTokens(tokens) };
    }),
    refreshToken: handler(async ({ refreshToken }) => ({ tokens: toSessionTokens(await flows.refresh(refreshToken)) })),
    signOut: handler(async ({ refreshToken }) => {
      await flows.signOut(refreshToken);
      return {};
    }),
  };
  return serve(
    UserServiceService,
    guard(handlers, () => needs('operator', 'service')),
    { maxRequestBytes: SHORT_REQUEST_BYTES },
  );
}

/** Gives every error its meaning; the platform makes the status of it. */
function handler<Q, R>(work: UnaryHandler<Q, R>): UnaryHandler<Q, R> {
  return (request, context) =>
    work(request, context).catch((error: unknown) => {
      throw withWireFields(toUacError(error));
    });
}

/** Fields are named as in the .proto file: `login_name`. */
function withWireFields(error: AppError): AppError {
  if (error.violations.length === 0) return error;
  const toWire = (field: string) => field.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  const violations = error.violations.map((violation) => ({ ...violation, field: toWire(violation.field) }));
  return new AppError({ status: error.status, reason: error.reason, name: error.reasonName, message: error.message, violations });
}

function languageFor(wish: string, context: CallContext): Language {
  return toLanguage(wish) ?? languageOf(context.acceptLanguage);
}

function knownKind(kind: Parameters<typeof fromIdentityKind>[0]) {
  const known = fromIdentityKind(kind);
  if (!known) throw refuseFields([{ field: 'kind', code: 'UAC10011017' }]);
  return known;
}

/** The caller's address without its port. */
function clientOf({ peer }: CallContext): ClientAddress {
  return {
    ip: peer
      .replace(/:\d+$/, '')
      .replace(/^\[(.*)\]$/, '$1')
      .slice(0, 45),
    userAgent: 'grpc',
  };
}
