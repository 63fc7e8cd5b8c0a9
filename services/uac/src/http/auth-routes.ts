import type { AppError } from '@tpc/platform';
import { ipNetwork } from '@tpc/platform';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { CODES, isUacCode } from '../domain/codes.ts';
import type { Language } from '../domain/language.ts';
import type { RegistrationForm } from '../domain/registration.ts';
import type { Flows } from '../flows/index.ts';
import type { SessionTokens } from '../flows/session-tokens.ts';
import { toUacError } from '../flows/uac-error.ts';
import { clientIp } from './client-ip.ts';
import { sendSuccess } from './envelope.ts';
import { refusalAnswer } from './error-answers.ts';
import { type IpLimits, limitIp } from './ip-limits.ts';
import type { PageName, Pages } from './pages.ts';
import { clientAddress, requestLanguage, textFields, wantsPage } from './request.ts';
import { refuseCrossSite } from './security.ts';
import { asksForCookie, type DeviceCookie, type SessionCookie } from './session-cookie.ts';
import { toUserResult } from './user-result.ts';

export type AuthRoutesParts = { flows: Flows; pages: Pages; sessionCookie: SessionCookie; deviceCookie: DeviceCookie; ipLimits: IpLimits };

const REGISTRATION = {
  loginName: ['loginName'],
  loginPwd: ['loginPwd'],
  confirmPwd: ['confirmPwd'],
  email: ['email'],
  mobileNo: ['mobileNo'],
  registerSource: ['registerSource'],
} as const;
const CREDENTIALS = { loginName: ['loginName', 'username'], loginPwd: ['loginPwd', 'password'] } as const;

/** The original's paths for registration, login and session: JSON or form in, envelope out; a form of a browser without script gets a page. */
export function addAuthRoutes(app: FastifyInstance, parts: AuthRoutesParts): void {
  const { ipLimits } = parts;
  const registerLimit = { onRequest: limitIp(ipLimits, 'register', ipLimits.registerPerMinute) };
  const loginLimit = { onRequest: limitIp(ipLimits, 'login', ipLimits.loginPerMinute) };
  app.post('/auth/register', registerLimit, (request, reply) => postRegister(request, reply, parts));
  app.post('/auth/resendActivationMail', (request, reply) => postResend(request, reply, parts));
  app.post('/auth/form', loginLimit, (request, reply) => postLogin(request, reply, parts));
  app.get('/auth/user/refreshToken', { exposeHeadRoute: false }, (request, reply) => {
    refuseCrossSite(request);
    return refreshToken(request, reply, parts);
  });
  app.post('/auth/user/refreshToken', (request, reply) => refreshToken(request, reply, parts));
  app.post('/auth/logout', (request, reply) => postLogout(request, reply, parts));
}

async function postRegister(request: FastifyRequest, reply: FastifyReply, { flows, pages }: AuthRoutesParts): Promise<FastifyReply> {
  const form: RegistrationForm = textFields(request.body, REGISTRATION);
  const language = requestLanguage(request);
  if (!wantsPage(request)) return sendSuccess(request, reply, toUserResult(await flows.register(form, language, networkOf(request))));
  const { loginPwd: _password, confirmPwd: _confirm, ...typed } = form;
  return pageOrErrors({ reply, pages, page: 'register', language, values: { form: typed } }, async () => {
    const user = await flows.register(form, language, networkOf(request));
    return pages.send(reply, 'register', language, { form: {}, errors: {}, registered: user.email });
  });
}

async function postResend(request: FastifyRequest, reply: FastifyReply, { flows, pages }: AuthRoutesParts): Promise<FastifyReply> {
  const { email } = textFields(request.body, { email: ['email'] });
  const language = requestLanguage(request);
  const resend = () => flows.resendActivationMail(email, language, networkOf(request));
  if (!wantsPage(request)) {
    await resend();
    return sendSuccess(request, reply, null);
  }
  return pageOrErrors({ reply, pages, page: 'resend', language, values: { form: { email } } }, async () => {
    await resend();
    return pages.send(reply, 'resend', language, { form: { email }, errors: {}, sent: true });
  });
}

async function postLogin(request: FastifyRequest, reply: FastifyReply, parts: AuthRoutesParts): Promise<FastifyReply> {
  const { flows, pages, sessionCookie, deviceCookie } = parts;
  const credentials = textFields(request.body, CREDENTIALS);
  const language = requestLanguage(request);
  const client = { ...clientAddress(request), network: networkOf(request), device: deviceCookie.read(request) };
  if (!wantsPage(request)) {
    const { user, tokens, device } = await flows.login(credentials, client);
    if (asksForCookie(request)) deviceCookie.write(reply, device);
    return sendSuccess(request, reply, { ...toUserResult(user), ...deliver(request, reply, sessionCookie, tokens) });
  }
  return pageOrErrors({ reply, pages, page: 'login', language, values: { form: { loginName: credentials.loginName } } }, async () => {
    const { tokens, device } = await flows.login(credentials, client);
    sessionCookie.write(reply, tokens);
    deviceCookie.write(reply, device);
    return reply.redirect('/me', 303);
  });
}

/**
 * The token comes by cookie, `Authorization: Bearer`, body or, as the original's clients send it, in the query: it is used up by that, so that what a
 * log keeps of it opens nothing.
 */
async function refreshToken(request: FastifyRequest, reply: FastifyReply, { flows, sessionCookie }: AuthRoutesParts): Promise<FastifyReply> {
  const cookie = sessionCookie.read(request);
  const tokens = await flows.refresh(cookie ?? tokenOf(request));
  if (cookie === undefined) return sendSuccess(request, reply, { ...toAccessResult(tokens), refreshToken: tokens.refreshToken });
  sessionCookie.write(reply, tokens);
  return sendSuccess(request, reply, toAccessResult(tokens));
}

async function postLogout(request: FastifyRequest, reply: FastifyReply, { flows, sessionCookie }: AuthRoutesParts): Promise<FastifyReply> {
  await flows.signOut(sessionCookie.read(request) ?? tokenOf(request));
  sessionCookie.clear(reply);
  return wantsPage(request) ? reply.redirect('/login', 303) : sendSuccess(request, reply, null);
}

function tokenOf(request: FastifyRequest): string {
  const bearer = /^Bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1];
  if (bearer !== undefined) return bearer;
  return textFields(request.body ?? request.query, { refreshToken: ['refreshToken'] }).refreshToken;
}

/** Tokens of a login: the refresh token in the cookie for pages, in the body for programs. */
function deliver(request: FastifyRequest, reply: FastifyReply, cookie: SessionCookie, tokens: SessionTokens) {
  if (!asksForCookie(request)) return { ...toAccessResult(tokens), refreshToken: tokens.refreshToken };
  cookie.write(reply, tokens);
  return toAccessResult(tokens);
}

function toAccessResult(tokens: SessionTokens) {
  return { tokenType: 'Bearer', accessToken: tokens.accessToken, accessExpireTime: new Date(tokens.accessExpiresAt).toISOString() };
}

type FormPage = { reply: FastifyReply; pages: Pages; page: PageName; language: Language; values: Record<string, unknown> };

/** Does the work of a form; a refusal shows the form again, with what was typed and the errors at their fields. */
async function pageOrErrors(form: FormPage, work: () => Promise<FastifyReply>): Promise<FastifyReply> {
  try {
    return await work();
  } catch (thrown) {
    const error = toUacError(thrown);
    const { statusCode, envelope } = refusalAnswer(error, form.language);
    if (statusCode >= 500) throw thrown;
    const errors = fieldErrors(error, form.language);
    const problem = Object.keys(errors).length === 0 ? envelope.message : undefined;
    return form.pages.send(form.reply.code(statusCode), form.page, form.language, { ...form.values, errors, problem, reason: error.reason });
  }
}

/** Whose requests limits count together. */
function networkOf(request: FastifyRequest): string {
  return ipNetwork(clientIp(request));
}

/** The first message for each field. */
function fieldErrors(error: AppError, language: Language): Record<string, string> {
  const texts: Record<string, string> = {};
  for (const { field, reason } of error.violations) if (isUacCode(reason)) texts[field] ??= CODES[reason][language];
  return texts;
}
