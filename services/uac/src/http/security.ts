import type { FastifyInstance, FastifyRequest } from 'fastify';
import { MalformedRequest } from './request.ts';

const HEADERS: Record<string, string> = {
  // Pages load their own style and script and nothing else; nobody frames them; forms go nowhere else.
  'content-security-policy':
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=(), interest-cohort=()',
  'cache-control': 'no-store',
};

/** A year, as browsers' preload lists ask. */
const HSTS = 'max-age=31536000; includeSubDomains';

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);

/** Adds the security headers to every answer, and refuses what another site makes a browser send (CSRF). */
export function addSecurity(app: FastifyInstance, publicUrl: () => string): void {
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(HEADERS);
    if (publicUrl().startsWith('https:')) reply.header('strict-transport-security', HSTS);
    if (!SAFE_METHODS.has(request.method)) refuseCrossSite(request);
  });
}

/**
 * Refuses a request that a page of another origin made. Programs send neither Sec-Fetch-Site nor Origin and pass. (Fetch Metadata says more
 * than Origin, which is `null` under some referrer policies, so it is looked at first.)
 * @throws MalformedRequest 403
 */
export function refuseCrossSite(request: FastifyRequest): void {
  const site = request.headers['sec-fetch-site'];
  const { origin, host } = request.headers;
  const own = site === undefined ? origin === undefined || hostOf(origin) === host : site === 'same-origin' || site === 'none';
  if (!own) throw new MalformedRequest('This request comes from a page of another site.', 403);
}

function hostOf(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined;
}
