import { type ReadableSpan, SimpleSpanProcessor, type SpanExporter } from '@opentelemetry/sdk-trace';
import { MESSAGE_KEY } from '@tpc/core';
import { type Tracing, traceTo } from '@tpc/platform';
import { type WaterfallSpan, waterfall } from './waterfall.ts';

/** A trace is shown when nothing has been added to it for so long, milliseconds. */
const QUIET_MS = 500;
/** Traces that are kept in memory while they go on; the oldest are forgotten. */
const MAX_TRACES = 1_000;

type Open = { spans: ReadableSpan[]; timer: NodeJS.Timeout };

/**
 * Shows the trace of each message as a waterfall, once it is quiet; again, whole, when more happens to the message later. Needs no Jaeger.
 * @param print takes a text of several lines
 * @returns makes the tracing of a service
 */
export function createTracePrinter(print: (text: string) => void): (service: string) => Tracing {
  const traces = new Map<string, Open>();
  const show = (traceId: string) => {
    const text = textOf(traceId, traces.get(traceId)?.spans ?? []);
    if (text !== undefined) print(text);
  };
  const add = (span: ReadableSpan) => {
    const { traceId } = span.spanContext();
    const open = traces.get(traceId);
    clearTimeout(open?.timer);
    const timer = setTimeout(() => show(traceId), QUIET_MS).unref();
    traces.set(traceId, { spans: [...(open?.spans ?? []), span], timer });
    const [oldest] = traces.keys();
    if (traces.size > MAX_TRACES && oldest !== undefined) traces.delete(oldest);
  };
  const exporter: SpanExporter = {
    export: (spans, done) => {
      spans.forEach(add);
      done({ code: 0 });
    },
    shutdown: async () => undefined,
  };
  return (service) => traceTo(service, new SimpleSpanProcessor({ exporter }));
}

/** @returns undefined for a trace that is about no message */
function textOf(traceId: string, spans: readonly ReadableSpan[]): string | undefined {
  const keys = new Set(spans.map(({ attributes }) => attributes[MESSAGE_KEY]).filter((key) => key !== undefined));
  if (keys.size === 0) return undefined;
  const head = `trace ${traceId}, message ${[...keys].join(', ')}`;
  return [head, '   start   length (ms)', ...waterfall(spans.map(shown)), ''].join('\n');
}

function shown(span: ReadableSpan): WaterfallSpan {
  const start = milliseconds(span.startTime);
  const error = span.attributes['error.type'];
  return {
    spanId: span.spanContext().spanId,
    parentId: span.parentSpanContext?.spanId,
    service: String(span.resource.attributes['service.name']),
    name: span.name,
    start,
    end: start + milliseconds(span.duration),
    error: error === undefined ? undefined : String(error),
  };
}

function milliseconds([seconds, nanoseconds]: readonly [number, number]): number {
  return seconds * 1_000 + nanoseconds / 1e6;
}
