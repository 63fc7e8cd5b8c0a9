import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Language } from '../domain/language.ts';
import type { ActivationRequest } from '../flows/activate.ts';
import type { Flows } from '../flows/index.ts';
import { refuse } from '../flows/refusal.ts';
import { toUacError } from '../flows/uac-error.ts';
import { sendSuccess } from './envelope.ts';
import { refusalAnswer } from './error-answers.ts';
import type { Pages } from './pages.ts';
import { isPrefetch, requestLanguage, textFields, wantsPage } from './request.ts';
import { ANY_SITE } from './security.ts';

export type ActivationRoutesParts = {
  flows: Flows;
  pages: Pages;
  /** UAC_ACTIVATE_BY_GET: a program's GET activates. A browser's never does. */
  activateByGet: boolean;
};

const PATH = '/auth/activeUser/:token';
const ACTIVATED: Record<Language, string> = { zh: '激活成功', en: 'Your account is active.' };
const READY: Record<Language, string> = {
  zh: '链接有效：请用 POST 请求此地址以激活账号。',
  en: 'The link works: send a POST to this address, and the account is active.',
};

/**
 * The link of the activation mail (F-04). GET and HEAD change nothing, since mail scanners, previews and browsers that load ahead follow links: GET
 * shows a person the page with the button, and tells a program what POST would do. POST activates.
 */
export function addActivationRoutes(app: FastifyInstance, parts: ActivationRoutesParts): void {
  app.head(PATH, (_request, reply) => withoutReferrer(reply).type('text/html; charset=utf-8').send());
  app.get(PATH, { exposeHeadRoute: false }, async (request, reply) => {
    withoutReferrer(reply);
    if (wantsPage(request)) return linkPage(request, reply, parts);
    if (parts.activateByGet && !isPrefetch(request)) return activationEnvelope(request, reply, parts, 'unasked');
    return linkEnvelope(request, reply, parts);
  });
  // Only who has the mail knows the token, so another site has nothing to send. Under no-referrer, older browsers send our own form with the origin "null".
  app.post(PATH, ANY_SITE, async (request, reply) => {
    withoutReferrer(reply);
    const { loginPwd } = textFields(request.body, { loginPwd: ['loginPwd'] });
    return wantsPage(request) ? activationPage(request, reply, parts, loginPwd) : activationEnvelope(request, reply, parts, loginPwd);
  });
}

/** The address holds the token: no page that is opened from here may learn it. */
function withoutReferrer(reply: FastifyReply): FastifyReply {
  return reply.header('referrer-policy', 'no-referrer').header('x-robots-tag', 'noindex');
}

function tokenOf(request: FastifyRequest): string {
  return (request.params as { token: string }).token;
}

async function linkEnvelope(request: FastifyRequest, reply: FastifyReply, { flows }: ActivationRoutesParts): Promise<FastifyReply> {
  const { user, already } = await flows.readActivationLink(tokenOf(request));
  if (already) throw refuse('UAC10011030');
  const result = { loginName: user.loginName, status: user.status, activateBy: 'POST', passwordNeeded: user.contested };
  return sendSuccess(request, reply, result, READY[requestLanguage(request)]);
}

async function activationEnvelope(
  request: FastifyRequest,
  reply: FastifyReply,
  { flows }: ActivationRoutesParts,
  password: ActivationRequest['password'],
): Promise<FastifyReply> {
  const language = requestLanguage(request);
  const { already } = await flows.activate({ token: tokenOf(request), password, language });
  if (already) throw refuse('UAC10011030');
  return sendSuccess(request, reply, ACTIVATED[language]);
}

async function linkPage(request: FastifyRequest, reply: FastifyReply, { flows, pages }: ActivationRoutesParts): Promise<FastifyReply> {
  const language = requestLanguage(request);
  return pageOrProblem(reply, pages, language, async () => {
    const { user, already } = await flows.readActivationLink(tokenOf(request));
    if (already) return pages.send(reply, 'activation', language, { outcome: 'already', loginName: user.loginName });
    return pages.send(reply, 'activate', language, { loginName: user.loginName, contested: user.contested, errors: {} });
  });
}

async function activationPage(
  request: FastifyRequest,
  reply: FastifyReply,
  { flows, pages }: ActivationRoutesParts,
  password: string,
): Promise<FastifyReply> {
  const language = requestLanguage(request);
  return pageOrProblem(reply, pages, language, async () => {
    const { user, already } = await flows.activate({ token: tokenOf(request), password, language });
    return pages.send(reply, 'activation', language, { outcome: already ? 'already' : 'activated', loginName: user.loginName });
  });
}

/** The page of a link; a refusal is a page as well: the form again where its password is missing or wrong, else what has become of the link. */
async function pageOrProblem(reply: FastifyReply, pages: Pages, language: Language, work: () => Promise<FastifyReply>): Promise<FastifyReply> {
  try {
    return await work();
  } catch (thrown) {
    const error = toUacError(thrown);
    const { statusCode, envelope } = refusalAnswer(error, language);
    if (statusCode >= 500) throw thrown;
    reply.code(statusCode);
    if (error.violations.some(({ field }) => field === 'loginPwd'))
      return pages.send(reply, 'activate', language, { contested: true, errors: { loginPwd: envelope.message } });
    const outcome = error.reason === 'UAC10011030' ? 'expired' : 'failed';
    return pages.send(reply, 'activation', language, { outcome, message: envelope.message });
  }
}
