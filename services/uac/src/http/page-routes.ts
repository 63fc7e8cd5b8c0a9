import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type Language, toLanguage } from '../domain/language.ts';
import type { Flows } from '../flows/index.ts';
import type { PageName, Pages } from './pages.ts';
import { LANGUAGE_COOKIE, requestLanguage } from './request.ts';
import type { SessionCookie } from './session-cookie.ts';

const YEAR_S = 365 * 24 * 3600;

/** Pages for people: registration, login, another mail, one's account. */
export function addPageRoutes(app: FastifyInstance, parts: { flows: Flows; pages: Pages; sessionCookie: SessionCookie }): void {
  const { flows, pages, sessionCookie } = parts;
  app.addHook('onRequest', rememberLanguage);
  const userOf = async (request: FastifyRequest) => {
    const token = sessionCookie.read(request);
    return token === undefined ? undefined : await flows.userOfSession(token);
  };
  // Who is logged in already has nothing to do on the two: their account is what they look for.
  const forStrangers = (path: string, page: PageName) =>
    app.get(path, async (request, reply) => {
      if (await userOf(request)) return reply.redirect('/me', 303);
      return pages.send(reply, page, requestLanguage(request), { form: {}, errors: {} });
    });
  forStrangers('/', 'register');
  forStrangers('/login', 'login');
  app.get('/resend', async (request, reply) => {
    const signedIn = (await userOf(request)) !== undefined;
    return pages.send(reply, 'resend', requestLanguage(request), { form: {}, errors: {}, signedIn });
  });
  app.get('/me', async (request, reply) => {
    const user = await userOf(request);
    if (!user) return reply.redirect('/login', 303);
    const language = requestLanguage(request);
    return pages.send(reply, 'me', language, { user, since: dateText(user.createdAt, language), signedIn: true });
  });
}

/** A reader's own zone is not known: Chinese readers get Beijing's days, others those of UTC; the page names the zone. */
function dateText(time: number, language: Language): string {
  const [locale, timeZone] = language === 'zh' ? ['zh-CN', 'Asia/Shanghai'] : ['en-GB', 'UTC'];
  return new Intl.DateTimeFormat(locale, { dateStyle: 'long', timeZone }).format(time);
}

/** `?lang=` on a page is the language switch; its choice stays. */
async function rememberLanguage(request: FastifyRequest, reply: FastifyReply): Promise<void> {
  const { lang } = request.query as { lang?: unknown };
  const language = typeof lang === 'string' ? toLanguage(lang) : undefined;
  if (language) reply.setCookie(LANGUAGE_COOKIE, language, { path: '/', sameSite: 'lax', httpOnly: true, maxAge: YEAR_S });
}
