/** The HTTP side of the catcher: the inbox page, its files, and Mailpit's REST paths. */

import type { AddressInfo } from 'node:net';
import { cannotListen, type Language, languageOf, toLanguage } from '@tpc/core';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { MailLog } from '../log.ts';
import { type ApiOptions, registerApi } from './api.ts';
import { PAGE_HEADERS, type PageLink, type Pages } from './pages.ts';

const MAX_BODY_BYTES = 1024 * 1024;
/** UAC's pages remember the choice of their language switch in it, and a cookie counts for all ports of a host: one choice is enough. */
const LANGUAGE_COOKIE = 'uac_lang';
const YEAR_S = 365 * 24 * 60 * 60;

export type HttpOptions = ApiOptions & {
  host: string;
  port: number;
  pages: Pages;
  /** Told in the empty inbox. */
  smtpAddress: string;
  links: readonly PageLink[];
  log: MailLog;
};

export type HttpListener = { port: number; stop(): Promise<void> };

/** Starts listening. @throws Error with one line that names the port, when it cannot be bound. */
export async function startHttp({ host, port, ...options }: HttpOptions): Promise<HttpListener> {
  const app = fastify({ bodyLimit: MAX_BODY_BYTES, forceCloseConnections: true, routerOptions: { maxParamLength: 200 } });
  // Bodies stay text: scripts send DELETE with a JSON content type and no body, which a strict parser would refuse.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body));
  // Much of what is answered was chosen by the senders of mails: no browser is to guess what else it could be.
  app.addHook('onRequest', async (_request, reply) => void reply.header('x-content-type-options', 'nosniff'));
  if (isLoopback(host)) refuseForeignHosts(app);
  answerErrorsAsText(app, options.log);
  registerApi(app, options);
  registerPages(app, options);
  try {
    await app.listen({ host, port });
  } catch (error) {
    await app.close();
    throw new Error(cannotListen('inbox page', host, port, error), { cause: error });
  }
  return {
    port: (app.server.address() as AddressInfo).port,
    async stop() {
      options.events.close();
      await app.close();
    },
  };
}

function registerPages(app: FastifyInstance, { pages, store, smtpAddress, links }: HttpOptions | Omit<HttpOptions, 'host' | 'port'>): void {
  const send = (request: FastifyRequest, reply: FastifyReply, unknownId?: string) =>
    reply
      .headers({ ...PAGE_HEADERS, vary: 'accept-language, cookie' })
      .type('text/html; charset=utf-8')
      .send(pages.inbox({ language: languageFor(request, reply), smtpAddress, links, ...(unknownId === undefined ? {} : { unknownId }) }));
  app.get('/', (request, reply) => send(request, reply));
  app.get<{ Params: { id: string } }>('/message/:id', (request, reply) => {
    const { id } = request.params;
    const known = id === 'latest' || store.raw(id) !== undefined;
    return known ? send(request, reply) : send(request, reply.code(404), id);
  });
  app.get<{ Params: { name: string } }>('/assets/:name', ({ params: { name } }, reply) => {
    const file = pages.file(name);
    if (!file) return reply.callNotFound();
    return reply.headers(PAGE_HEADERS).type(file.type).send(file.content);
  });
}

/** As UAC's pages choose it: `?lang=`, which is remembered, the cookie of an earlier choice, Accept-Language. */
function languageFor({ query, headers }: FastifyRequest, reply: FastifyReply): Language {
  const { lang } = query as { lang?: unknown };
  const chosen = typeof lang === 'string' ? toLanguage(lang) : undefined;
  if (chosen) reply.header('set-cookie', `${LANGUAGE_COOKIE}=${chosen}; Max-Age=${YEAR_S}; Path=/; HttpOnly; SameSite=Lax`);
  const [, kept = ''] = new RegExp(`(?:^|;\\s*)${LANGUAGE_COOKIE}=([^;]*)`).exec(headers.cookie ?? '') ?? [];
  return chosen ?? toLanguage(kept) ?? languageOf(headers['accept-language']);
}

function answerErrorsAsText(app: FastifyInstance, log: MailLog): void {
  app.setNotFoundHandler((request, reply) => {
    reply.code(404).type('text/plain; charset=utf-8').send(`there is no page ${request.method} ${request.url}`);
  });
  app.setErrorHandler((error: Error & { statusCode?: number }, _request, reply) => {
    const status = error.statusCode ?? 500;
    if (status >= 500) log.error({ err: error }, 'an inbox request failed');
    reply
      .code(status)
      .type('text/plain; charset=utf-8')
      .send(status >= 500 ? 'the mail store failed' : error.message);
  });
}

/**
 * On loopback the mails are for this computer's own users. A foreign page that points its own host name at 127.0.0.1 (DNS rebinding) would
 * count as same-origin and read them; its Host header gives it away.
 */
function refuseForeignHosts(app: FastifyInstance): void {
  app.addHook('onRequest', async (request, reply) => {
    if (!isLoopback(request.hostname)) {
      return reply.code(403).type('text/plain; charset=utf-8').send(`the host ${request.hostname} is not served here; use localhost or 127.0.0.1`);
    }
  });
}

function isLoopback(host: string): boolean {
  return /^(localhost|.+\.localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/i.test(host);
}
