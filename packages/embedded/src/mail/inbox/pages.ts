/** The inbox page and its files, read once at the start; no build step and nothing from another host. */
import { readFileSync } from 'node:fs';
import type { Language } from '@tpc/core';
import { Eta } from 'eta';
import { PAGE_TEXTS } from './page-texts.ts';

/** The same from `src/mail` and from a compiled `dist/mail`. */
const PACKAGE = new URL('../../../', import.meta.url);

const TYPES = { css: 'text/css; charset=utf-8', js: 'text/javascript; charset=utf-8', svg: 'image/svg+xml' } as const;
const FILES = ['inbox.css', 'mail.css', 'inbox.js', 'message.js', 'format.js', 'texts.js', 'icon.svg'] as const;

export const PAGE_HEADERS = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "frame-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-cache',
} as const;

/** A link in the head of the page, such as the page where one registers. */
export type PageLink = { label: Readonly<Record<Language, string>>; url: string };

export type Pages = {
  /** @param unknownId set when a deep link names a mail that is not there. */
  inbox(values: { language: Language; smtpAddress: string; links: readonly PageLink[]; unknownId?: string }): string;
  file(name: string): { type: string; content: string } | undefined;
  version: string;
};

export function loadPages(): Pages {
  const read = (name: string) => readFileSync(new URL(`assets/mail/${name}`, PACKAGE), 'utf8');
  const template = read('inbox.eta');
  const files = new Map(FILES.map((name) => [name as string, { type: TYPES[name.split('.')[1] as keyof typeof TYPES], content: read(name) }]));
  const eta = new Eta({ autoEscape: true });
  const { version } = JSON.parse(readFileSync(new URL('package.json', PACKAGE), 'utf8')) as { version: string };
  return {
    inbox: (values) => eta.renderString(template, { ...values, t: PAGE_TEXTS[values.language] }),
    file: (name) => files.get(name),
    version,
  };
}
