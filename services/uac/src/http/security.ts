import type { FastifyInstance, FastifyRequest } from 'fastify';
import helmet, { type HelmetOptions } from 'helmet';
import { MalformedRequest } from './request.ts';

const SELF = ["'self'"];
const NONE = ["'none'"];

const HELMET: HelmetOptions = {
  // Pages load their own style and script and nothing else; nobody frames them; forms go nowhere else.
  contentSecurityPolicy: {
    useDefaults: false,
    directives: {
      defaultSrc: NONE,
      styleSrc: SELF,
      scriptSrc: SELF,
      imgSrc: SELF,
      connectSrc: SELF,
      formAction: SELF,
      frameAncestors: NONE,
      baseUri: NONE,
    },
  },
  xFrameOptions: { action: 'deny' },
  referrerPolicy: { policy: 'same-origin' },
  crossOriginOpenerPolicy: { policy: 'same-origin' },
  crossOriginResourcePolicy: { policy: 'same-origin' },
  // Whether people come by https is known only from the public address: below.
  strictTransportSecurity: false,
};

/** What helmet does not know. */
const HEADERS: Record<string, string> = {
  'permissions-policy': 'camera=(), geolocation=(), microphone=(), interest-cohort=()',
  'cache-control': 'no-store',
};

/** A year, as browsers' preload lists ask. */
const HSTS = 'max-age=31536000; includeSubDomains';

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);

/** For a route that another site may send to: its address itself is the secret. */
export const ANY_SITE = { config: { anySite: true } };

/** Adds the security headers to every answer, and refuses what another site makes a browser send (CSRF). */
export function addSecurity(app: FastifyInstance, publicUrl: () => string): void {
  const setHeaders = helmet(HELMET);
  app.addHook('onRequest', (request, reply, done) => setHeaders(request.raw, reply.raw, (error) => done(error as Error | undefined)));
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(HEADERS);
    if (publicUrl().startsWith('https:')) reply.header('strict-transport-security', HSTS);
    const { anySite } = request.routeOptions.config as { anySite?: boolean };
    if (!SAFE_METHODS.has(request.method) && !anySite) refuseCrossSite(request);
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
