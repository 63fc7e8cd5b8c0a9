import type { Meter } from '@opentelemetry/api';
import { LATENCY_SECONDS } from '@tpc/platform';
import type { FastifyInstance } from 'fastify';

const METHODS = ['GET', 'HEAD', 'POST', 'OPTIONS'];

/** How long requests took, by OpenTelemetry's name. Labels: the route's pattern, never the address, which may hold a token; methods are a known few. */
export function addMetrics(app: FastifyInstance, meter: Meter): void {
  const duration = meter.createHistogram('http.server.request.duration', {
    unit: 's',
    description: 'Time until an HTTP request was answered.',
    advice: { explicitBucketBoundaries: LATENCY_SECONDS },
  });
  app.addHook('onResponse', async (request, reply) => {
    duration.record(reply.elapsedTime / 1000, {
      http_request_method: METHODS.includes(request.method) ? request.method : '_OTHER',
      http_route: request.routeOptions.url ?? 'none',
      http_response_status_code: reply.statusCode,
    });
  });
}
