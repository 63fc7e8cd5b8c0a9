import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { toLanguage } from '../domain/language.ts';
import type { Flows } from '../flows/index.ts';
import type { PageName, Pages } from './pages.ts';
import { LANGUAGE_COOKIE, requestLanguage } from './request.ts';
import type { SessionCookie } from './session-cookie.ts';

const YEAR_S = 365 * 24 * 3600;

/** Pages for people: registration, login, another mail, one's account. */
export function addPageRoutes(app: FastifyInstance, parts: { flows: Flows; pages: Pages; sessionCookie: SessionCookie }): void {
  const { flows, pages, sessionCookie } = parts;
  app.addHook('onRequest', rememberLanguage);
  const form = (path: string, page: PageName) =>
    app.get(path, (request, reply) => pages.send(reply, page, requestLanguage(request), { form: {}, errors: {} }));
  form('/', 'register');
  form('/login', 'login');
  form('/resend', 'resend');
  app.get('/me', async (request, reply) => {
    const token = sessionCookie.read(request);
    const user = token === undefined ? undefined : await flows.userOfSession(token);
    if (!user) return reply.redirect('/login', 303);
    const language = requestLanguage(request);
    const since = new Intl.DateTimeFormat(language === 'zh' ? 'zh-CN' : 'en-GB', { dateStyle: 'long' }).format(user.createdAt);
    return pages.send(reply, 'me', language, { user, since });
  });
}

/** `?lang=` on a page is the language switch; its choice stays. */
async function rememberLanguage(request: FastifyRequest, reply: FastifyReply): Promise<void> {
  const { lang } = request.query as { lang?: unknown };
  const language = typeof lang === 'string' ? toLanguage(lang) : undefined;
  if (language) reply.setCookie(LANGUAGE_COOKIE, language, { path: '/', sameSite: 'lax', httpOnly: true, maxAge: YEAR_S });
}
