import type { FastifyRequest } from 'fastify';
import { type Language, languageOf, toLanguage } from '../domain/language.ts';
import type { ClientAddress } from '../store/sessions.ts';
import { clientIp } from './client-ip.ts';

/** Cookie in which a page's language switch is remembered. */
export const LANGUAGE_COOKIE = 'uac_lang';

const MAX_USER_AGENT = 255;

/** A request that is not in the form that its path takes; answered with its status and the page's or the envelope's text for it. */
export class MalformedRequest extends Error {
  readonly statusCode: number;

  constructor(message: string, statusCode = 400) {
    super(message);
    this.name = 'MalformedRequest';
    this.statusCode = statusCode;
  }
}

/** The language of an answer: `?lang=`, the switch's cookie, Accept-Language. */
export function requestLanguage(request: FastifyRequest): Language {
  const { lang } = request.query as { lang?: unknown };
  const chosen = typeof lang === 'string' ? toLanguage(lang) : undefined;
  return chosen ?? toLanguage(request.cookies[LANGUAGE_COOKIE] ?? '') ?? languageOf(request.headers['accept-language']);
}

/** Whether a browser asks for a page; programs get the envelope. */
export function wantsPage(request: FastifyRequest): boolean {
  return (request.headers.accept ?? '').includes('text/html');
}

/** Whether a browser or scanner only loads ahead of a click; such a request must change nothing. */
export function isPrefetch(request: FastifyRequest): boolean {
  const purposes = ['sec-purpose', 'purpose', 'x-purpose', 'x-moz'].map((name) => String(request.headers[name] ?? '').toLowerCase());
  return purposes.some((purpose) => purpose.includes('prefetch') || purpose.includes('prerender') || purpose.includes('preview'));
}

/** Who calls, for session and log. */
export function clientAddress(request: FastifyRequest): ClientAddress {
  return { ip: clientIp(request), userAgent: (request.headers['user-agent'] ?? '').slice(0, MAX_USER_AGENT) };
}

/**
 * Text fields of a body, JSON or form. Absent ones are empty; numbers count as their text.
 * @param names each field with the names that it may have, the first one that is there counts
 * @throws MalformedRequest when the body is no object or a field is neither text nor a number
 */
export function textFields<N extends string>(body: unknown, names: Record<N, readonly string[]>): Record<N, string> {
  if (body !== undefined && body !== null && (typeof body !== 'object' || Array.isArray(body)))
    throw new MalformedRequest('The body must be an object of fields, as JSON or as a form.');
  const given = (body ?? {}) as Record<string, unknown>;
  const read = (aliases: readonly string[]): string => {
    const name = aliases.find((alias) => given[alias] !== undefined && given[alias] !== null);
    if (name === undefined) return '';
    const value = given[name];
    if (typeof value === 'string') return value;
    if (typeof value === 'number') return String(value);
    throw new MalformedRequest(`Field ${name} must be text, given once.`);
  };
  return Object.fromEntries(Object.entries<readonly string[]>(names).map(([field, aliases]) => [field, read(aliases)])) as Record<N, string>;
}
