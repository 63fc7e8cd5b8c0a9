import cookie from '@fastify/cookie';
import formbody from '@fastify/formbody';
import type { Meter } from '@opentelemetry/api';
import { withDeadline } from '@tpc/core';
import type { Log, Tracing } from '@tpc/platform';
import fastify, { type FastifyInstance, type FastifyReply } from 'fastify';
import { languageOf } from '../domain/language.ts';
import type { Flows } from '../flows/index.ts';
import { addActivationRoutes } from './activation-routes.ts';
import { addAuthRoutes } from './auth-routes.ts';
import { addCheckRoutes } from './check-routes.ts';
import type { TrustProxy } from './client-ip.ts';
import { addErrorAnswers, malformedEnvelope } from './error-answers.ts';
import { addHealthRoutes, type HealthState } from './health-routes.ts';
import { addMetrics } from './http-metrics.ts';
import { addHttpSpans } from './http-spans.ts';
import type { IpLimits } from './ip-limits.ts';
import { addPageRoutes } from './page-routes.ts';
import { createPages } from './pages.ts';
import { addSecurity } from './security.ts';
import { createDeviceCookie, createSessionCookie } from './session-cookie.ts';

const BODY_LIMIT_BYTES = 64 * 1024;
const REQUEST_TIMEOUT_MS = 30_000;
/** An e-mail address may stand in a path. */
const MAX_PARAM_LENGTH = 300;

export type HttpParts = {
  flows: Flows;
  health: () => Promise<HealthState>;
  publicUrl: () => string;
  /** Address of the page that shows the mails; empty: none. */
  inboxUrl: string;
  /** Address at which traces are looked up; empty: none. */
  tracesUrl?: string;
  trustProxy: TrustProxy;
  ipLimits: IpLimits;
  /** How long an activation link works, as pages say it, milliseconds. */
  activationLifeMs: number;
  /** UAC_ACTIVATE_BY_GET. */
  activateByGet?: boolean;
  /** Undefined: requests are not traced. */
  tracing?: Tracing | undefined;
  meter: Meter;
  log: Log;
};

/** UAC's HTTP side: the original's paths under /auth, pages, health. Not yet listening. */
export async function createHttpServer(parts: HttpParts): Promise<FastifyInstance> {
  const { trustProxy } = parts;
  const app = fastify({
    logger: false,
    bodyLimit: BODY_LIMIT_BYTES,
    trustProxy: typeof trustProxy === 'number' ? (_address: string, hop: number) => hop < trustProxy : trustProxy,
    requestTimeout: REQUEST_TIMEOUT_MS,
    routerOptions: { maxParamLength: MAX_PARAM_LENGTH },
    // Addresses that cannot be decoded never reach a hook.
    frameworkErrors: (error, request, reply: FastifyReply) =>
      void reply.code(400).send(malformedEnvelope(languageOf(request.headers['accept-language']), error.message)),
  });
  if (parts.tracing) addHttpSpans(app, parts.tracing, trustProxy !== false);
  // Cookies first: also the answer to a refused request looks into them for the language.
  await app.register(cookie);
  await app.register(formbody, { bodyLimit: BODY_LIMIT_BYTES });
  addSecurity(app, parts.publicUrl);
  addMetrics(app, parts.meter);
  // The route's pattern, never the address: it may hold a token.
  app.addHook('onResponse', async (request, reply) => {
    parts.log.debug(
      { method: request.method, route: request.routeOptions.url, status: reply.statusCode, ms: Math.round(reply.elapsedTime) },
      'request',
    );
  });
  const pages = createPages(app, { inboxUrl: parts.inboxUrl, tracesUrl: parts.tracesUrl ?? '', activationLifeMs: parts.activationLifeMs });
  const sessionCookie = createSessionCookie(parts.publicUrl);
  addErrorAnswers(app, pages, parts.log);
  addHealthRoutes(app, parts.health);
  addPageRoutes(app, { flows: parts.flows, pages, sessionCookie });
  addActivationRoutes(app, { flows: parts.flows, pages, activateByGet: parts.activateByGet ?? false });
  addCheckRoutes(app, parts.flows);
  const deviceCookie = createDeviceCookie(parts.publicUrl);
  addAuthRoutes(app, { flows: parts.flows, pages, sessionCookie, deviceCookie, ipLimits: parts.ipLimits });
  return app;
}

/** How long requests in flight may take at a stop, milliseconds. */
const DRAIN_MS = 3_000;

/**
 * Takes no new connection, lets requests in flight end, then closes what is left: a browser keeps connections open on which it has not yet asked for
 * anything, and those never end by themselves.
 */
export async function closeHttpServer(app: FastifyInstance): Promise<void> {
  const closed = app.close();
  await withDeadline(closed, DRAIN_MS, () => app.server.closeAllConnections());
  await closed;
}
