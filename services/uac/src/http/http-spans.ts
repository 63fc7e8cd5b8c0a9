import { context as contexts, type Span, SpanKind, trace } from '@opentelemetry/api';
import { contextOf, endSpan } from '@tpc/core';
import type { Tracing } from '@tpc/platform';
import type { FastifyInstance, FastifyRequest } from 'fastify';

/** What asks whether the service is well; a trace of it would tell nothing. */
const UNTRACED = new Set(['/healthz', '/readyz']);

/**
 * One span for each request: here most traces begin. It names the route's pattern, never the address, which may hold a token.
 * @param behindProxy whether somebody of ours stands in front, whose trace is then gone on with; anybody else could choose what is kept
 */
export function addHttpSpans(app: FastifyInstance, { messages }: Pick<Tracing, 'messages'>, behindProxy: boolean): void {
  const spans = new WeakMap<FastifyRequest, Span>();
  app.addHook('onRequest', (request, _reply, done) => {
    const { method, headers } = request;
    const route = request.routeOptions.url;
    if (route !== undefined && UNTRACED.has(route)) return done();
    const caller = behindProxy
      ? contextOf({ traceparent: String(headers.traceparent ?? ''), tracestate: String(headers.tracestate ?? '') })
      : undefined;
    const span = messages.begin(route === undefined ? method : `${method} ${route}`, SpanKind.SERVER, caller);
    if (span.isRecording()) {
      span.setAttributes({ 'http.request.method': method, 'url.scheme': request.protocol, ...(route === undefined ? {} : { 'http.route': route }) });
    }
    spans.set(request, span);
    // What the request does from here on happens below its span.
    contexts.with(trace.setSpan(contexts.active(), span), done);
  });
  app.addHook('onResponse', async (request, reply) => {
    const span = spans.get(request)?.setAttribute('http.response.status_code', reply.statusCode);
    endSpan(span, reply.statusCode >= 500 ? String(reply.statusCode) : undefined);
  });
}
