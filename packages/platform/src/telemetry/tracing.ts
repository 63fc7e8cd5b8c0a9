import { randomUUID } from 'node:crypto';
import { context as contexts, type Tracer } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  type SpanExporter,
  type SpanProcessor,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import { MessageTracer, withDeadline } from '@tpc/core';
import { z } from 'zod';
import type { Log } from '../log/log.ts';
import { PresetIds } from './preset-ids.ts';
import { saysWhenItFails } from './says-when-it-fails.ts';

/** Settings of a service's tracing, to be spread into its schema. */
export const tracingSettings = {
  OTEL_EXPORTER_OTLP_ENDPOINT: z
    .string()
    .refine((url) => /^https?:\/\//.test(url) && URL.canParse(url), 'expected an address that begins with http:// or https://')
    .optional()
    .describe('Where spans go, OTLP over gRPC, for example http://127.0.0.1:4317 (Jaeger, an OpenTelemetry collector). Empty: nothing is traced.'),
  TRACE_SAMPLE_RATIO: z
    .string()
    .regex(/^(0(\.\d{1,6})?|1(\.0{1,6})?)$/, 'expected a number from 0 to 1')
    .transform(Number)
    .default(1)
    .describe('Share of the traces that begin here and are kept, 0 to 1. A message that fails or is repeated is kept from then on in every case.'),
};

export type TracingConfig = { OTEL_EXPORTER_OTLP_ENDPOINT?: string | undefined; TRACE_SAMPLE_RATIO: number };

/** A service's tracing. Several services of one process have one each. */
export type Tracing = {
  /** For libraries and for spans that begin a trace. */
  tracer: Tracer;
  /** For the spans of messages. */
  messages: MessageTracer;
  /** Sends what is finished, then ends. Never rejects. */
  stop(): Promise<void>;
};

/** A batch to a topic may hold this many messages, and its span links to each. */
const MAX_LINKS = 1_024;
/** Finished spans wait this long to be sent together, milliseconds. */
const EXPORT_EVERY_MS = 1_000;
/** Spans that wait in memory while the collector is away or slow; more are dropped. */
const MAX_QUEUED_SPANS = 8_192;
const STOP_WITHIN_MS = 3_000;

/**
 * Starts tracing by a service's settings.
 * @returns undefined when no address is set: then nothing is traced, and nothing of the SDK runs
 */
export async function startTracing(options: { service: string; config: TracingConfig; log: Log }): Promise<Tracing | undefined> {
  const url = options.config.OTEL_EXPORTER_OTLP_ENDPOINT;
  if (url === undefined) return undefined;
  // 5 MB of code that a service without tracing does not load.
  const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-grpc');
  const exporter: SpanExporter = saysWhenItFails(new OTLPTraceExporter({ url }), options.log);
  const batches = { exporter, scheduledDelayMillis: EXPORT_EVERY_MS, maxQueueSize: MAX_QUEUED_SPANS };
  options.log.info({ url, sample_ratio: options.config.TRACE_SAMPLE_RATIO }, 'traces are sent');
  return traceTo(options.service, new BatchSpanProcessor(batches), options.config.TRACE_SAMPLE_RATIO);
}

/**
 * Tracing into a processor of the caller's own.
 * @param sampleRatio share of the traces that begin here and are kept
 */
export function traceTo(service: string, processor: SpanProcessor, sampleRatio = 1): Tracing {
  // One for the process; a second call finds it there, and a team's own SDK may have set it before.
  contexts.setGlobalContextManager(CONTEXTS.enable());
  const ids = new PresetIds();
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ 'service.name': service, 'service.instance.id': randomUUID() }),
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(sampleRatio) }),
    idGenerator: ids,
    spanLimits: { linkCountLimit: MAX_LINKS },
    spanProcessors: [processor],
  });
  const tracer = provider.getTracer('tpc');
  return {
    tracer,
    messages: new MessageTracer(tracer, (spanId) => ids.preset(spanId)),
    stop: async () => {
      // What the collector does not take at the end is lost; that must not fail a service's stop.
      const shutdown = provider.shutdown().catch(() => undefined);
      await withDeadline(shutdown, STOP_WITHIN_MS);
    },
  };
}

const CONTEXTS = new AsyncLocalStorageContextManager();
