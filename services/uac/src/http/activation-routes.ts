import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Language } from '../domain/language.ts';
import type { Flows } from '../flows/index.ts';
import { refuse } from '../flows/refusal.ts';
import { toUacError } from '../flows/uac-error.ts';
import { sendSuccess } from './envelope.ts';
import { refusalAnswer } from './error-answers.ts';
import type { Pages } from './pages.ts';
import { isPrefetch, MalformedRequest, requestLanguage, wantsPage } from './request.ts';

const ACTIVATED: Record<Language, string> = { zh: '激活成功', en: 'Your account is active.' };

/** The link of the activation mail (F-04). HEAD and loading ahead change nothing; a person gets a page, a program the envelope. */
export function addActivationRoutes(app: FastifyInstance, flows: Flows, pages: Pages): void {
  app.head('/auth/activeUser/:token', (_request, reply) => withoutReferrer(reply).type('text/html; charset=utf-8').send());
  app.get('/auth/activeUser/:token', { exposeHeadRoute: false }, async (request, reply) => {
    withoutReferrer(reply);
    // Not a success: a browser would show this answer when the person really clicks.
    if (isPrefetch(request)) throw new MalformedRequest('Activation is not loaded ahead.', 503);
    return wantsPage(request) ? activationPage(request, reply, flows, pages) : activationEnvelope(request, reply, flows);
  });
}

/** The address holds the token: no page that is opened from here may learn it. */
function withoutReferrer(reply: FastifyReply): FastifyReply {
  return reply.header('referrer-policy', 'no-referrer').header('x-robots-tag', 'noindex');
}

function tokenOf(request: FastifyRequest): string {
  return (request.params as { token: string }).token;
}

async function activationEnvelope(request: FastifyRequest, reply: FastifyReply, flows: Flows): Promise<FastifyReply> {
  const language = requestLanguage(request);
  const { already } = await flows.activate(tokenOf(request), language);
  if (already) throw refuse('UAC10011030');
  return sendSuccess(request, reply, ACTIVATED[language]);
}

async function activationPage(request: FastifyRequest, reply: FastifyReply, flows: Flows, pages: Pages): Promise<FastifyReply> {
  const language = requestLanguage(request);
  try {
    const { user, already } = await flows.activate(tokenOf(request), language);
    return pages.send(reply, 'activation', language, { outcome: already ? 'already' : 'activated', loginName: user.loginName });
  } catch (thrown) {
    const error = toUacError(thrown);
    const { statusCode, envelope } = refusalAnswer(error, language);
    if (statusCode >= 500) throw thrown;
    const outcome = error.reason === 'UAC10011030' ? 'expired' : 'failed';
    return pages.send(reply.code(statusCode), 'activation', language, { outcome, message: envelope.message });
  }
}
