import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Eta } from 'eta';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { CODES } from '../domain/codes.ts';
import type { Language } from '../domain/language.ts';
import { lifeText } from '../mails/life-text.ts';
import { PAGE_TEXTS } from './page-texts.ts';

const ASSETS = fileURLToPath(new URL('../../assets', import.meta.url));

/** Pages, one template each in `assets/pages`. */
export type PageName = 'register' | 'login' | 'resend' | 'activate' | 'activation' | 'me' | 'message';

export type Pages = {
  /** Renders a page and answers with it. Values are escaped by the templates. */
  send(reply: FastifyReply, page: PageName, language: Language, values: Record<string, unknown>): FastifyReply;
};

/** A file that pages load: its hash is part of its address, so that it can be kept for ever. */
type PublicFile = { path: string; url: string; type: string; body: string };

function publicFile(name: string, type: string): PublicFile {
  const body = readFileSync(`${ASSETS}/public/${name}`, 'utf8');
  const hash = createHash('sha256').update(body).digest('base64url').slice(0, 12);
  return { path: `/assets/${name}`, url: `/assets/${name}?v=${hash}`, type, body };
}

/** Loads templates and files, and serves the files. */
export function createPages(app: FastifyInstance, options: { inboxUrl: string; tracesUrl?: string; activationLifeMs: number }): Pages {
  const eta = new Eta({ views: `${ASSETS}/pages`, cache: true, autoEscape: true });
  const style = publicFile('uac.css', 'text/css; charset=utf-8');
  const script = publicFile('uac.js', 'text/javascript; charset=utf-8');
  const icon = publicFile('icon.svg', 'image/svg+xml');
  for (const file of [style, script, icon]) {
    app.get(file.path, (_request, reply) => reply.header('cache-control', 'public, max-age=31536000, immutable').type(file.type).send(file.body));
  }
  const fixed = {
    styleUrl: style.url,
    scriptUrl: script.url,
    iconUrl: icon.url,
    inboxUrl: options.inboxUrl,
    tracesUrl: options.tracesUrl ?? '',
  };
  return {
    send(reply, page, language, values) {
      const html = eta.render(`./${page}.eta`, {
        ...fixed,
        ...values,
        page,
        language,
        linkLife: lifeText(options.activationLifeMs, language),
        t: PAGE_TEXTS[language],
        codes: CODES,
      });
      return reply.header('vary', 'accept, accept-language, cookie').type('text/html; charset=utf-8').send(html);
    },
  };
}
