import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import type { MetricReader, ResourceMetrics } from '@opentelemetry/sdk-metrics';
import { cannotListen } from '@tpc/core';
import { StartError } from '../errors.ts';
import type { Log } from '../log/log.ts';

/** A scraper that says nothing for this long is let go, milliseconds. */
const REQUEST_TIMEOUT_MS = 10_000;
const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';
/** Prometheus has units in its names; the exporter leaves them out. */
const UNIT_SUFFIX: Readonly<Record<string, string>> = { s: 'seconds', By: 'bytes' };

type EndpointOptions = { host: string; port: number; portSetting: string; reader: MetricReader; log: Log };

/**
 * Serves `GET /metrics` in Prometheus' text format.
 * @throws StartError naming the setting when the port cannot be had
 */
export async function listenForScrapes({ host, port, portSetting, reader, log }: EndpointOptions): Promise<Server> {
  const serializer = new PrometheusSerializer('', false, undefined, false, true);
  const collect = async (): Promise<string> => {
    const { resourceMetrics, errors } = await reader.collect();
    // One part that cannot be read (the database is away) must not hide the others.
    for (const err of errors) log.debug({ err }, 'a metric could not be read');
    return serializer.serialize(withUnits(resourceMetrics));
  };
  // Nobody needs a token here: many who ask at once cost no more than one.
  let collecting: Promise<string> | undefined;
  const scrape = async (response: ServerResponse) => {
    collecting ??= collect().finally(() => {
      collecting = undefined;
    });
    const text = await collecting;
    response.setHeader('content-type', CONTENT_TYPE);
    response.end(text);
  };
  const server = createServer((request, response) => {
    const refusal = refusalOf(request);
    if (refusal !== undefined) response.writeHead(refusal).end();
    else
      scrape(response).catch((err: unknown) => {
        log.warn({ err }, 'metrics could not be collected');
        response.writeHead(500).end();
      });
  });
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      reject(new StartError(cannotListen(portSetting, host, port, cause), { cause }));
    });
    server.listen({ host, port }, resolve);
  });
  return server;
}

function refusalOf({ method, url = '' }: IncomingMessage): number | undefined {
  if (url.split('?')[0] !== '/metrics') return 404;
  return method === 'GET' || method === 'HEAD' ? undefined : 405;
}

function withUnits(metrics: ResourceMetrics): ResourceMetrics {
  const renamed = ({ name, unit, ...rest }: ResourceMetrics['scopeMetrics'][number]['metrics'][number]['descriptor']) => {
    const suffix = UNIT_SUFFIX[unit];
    return { ...rest, unit, name: suffix === undefined ? name : `${name}.${suffix}` };
  };
  const scopeMetrics = metrics.scopeMetrics.map(({ scope, metrics: list }) => ({
    scope,
    metrics: list.map((metric) => ({ ...metric, descriptor: renamed(metric.descriptor) })),
  }));
  return { ...metrics, scopeMetrics };
}
