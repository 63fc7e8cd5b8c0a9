/**
 * A message's trace as it is stored and sent: W3C trace context (https://www.w3.org/TR/trace-context/). Work on a message goes on in another
 * process, or after a restart, under the context that stands in its row.
 */
import { type Context, createTraceState, INVALID_TRACEID, ROOT_CONTEXT, type Span, type SpanContext, TraceFlags, trace } from '@opentelemetry/api';

/** W3C trace context; empty: none. */
export type StoredTrace = { traceparent: string; tracestate: string };

export const NO_STORED_TRACE: StoredTrace = { traceparent: '', tracestate: '' };

const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;
const NO_ID = /^0+$/;

/** The span that a stored context names; undefined where there is none, or it is malformed: telemetry never stops a message. */
export function spanContextOf({ traceparent, tracestate }: StoredTrace): SpanContext | undefined {
  if (traceparent === '') return undefined;
  const [, traceId = '', spanId = '', flags = ''] = TRACEPARENT.exec(traceparent) ?? [];
  if (traceId === '' || NO_ID.test(traceId) || NO_ID.test(spanId)) return undefined;
  const traceFlags = Number.parseInt(flags, 16) & TraceFlags.SAMPLED;
  return { traceId, spanId, traceFlags, isRemote: true, ...(tracestate === '' ? {} : { traceState: createTraceState(tracestate) }) };
}

/** The context under which work on a message goes on. */
export function contextOf(stored: StoredTrace): Context | undefined {
  const spanContext = spanContextOf(stored);
  return spanContext && trace.setSpanContext(ROOT_CONTEXT, spanContext);
}

/** The context under a span. */
export function contextUnder(span: Span): Context {
  return trace.setSpan(ROOT_CONTEXT, span);
}

/** How a span is stored and sent. */
export function storedTraceOf({ traceId, spanId, traceFlags, traceState }: SpanContext): StoredTrace {
  if (traceId === INVALID_TRACEID) return NO_STORED_TRACE;
  return { traceparent: `00-${traceId}-${spanId}-${traceFlags & TraceFlags.SAMPLED ? '01' : '00'}`, tracestate: traceState?.serialize() ?? '' };
}

/** How a context is stored and sent; empty without one. */
export function storedTraceOfContext(context: Context | undefined): StoredTrace {
  const spanContext = context && trace.getSpanContext(context);
  return spanContext ? storedTraceOf(spanContext) : NO_STORED_TRACE;
}

/** Whether the edge, or a failure since, decided that the trace is kept. */
export function isKept(context: Context | undefined): context is Context {
  const flags = context && trace.getSpanContext(context)?.traceFlags;
  return flags !== undefined && (flags & TraceFlags.SAMPLED) !== 0;
}

/** isKept for what is stored; a malformed context is not. */
export function isKeptTrace(traceparent: string): boolean {
  return traceparent.length === 55 && (Number.parseInt(traceparent[54] as string, 16) & TraceFlags.SAMPLED) !== 0;
}

/** The same context with its trace kept from here on: what fails or is repeated is wanted, whatever the edge decided. */
export function keptContext(context: Context): Context {
  const spanContext = trace.getSpanContext(context);
  if (spanContext === undefined || isKept(context)) return context;
  return trace.setSpanContext(context, { ...spanContext, traceFlags: spanContext.traceFlags | TraceFlags.SAMPLED });
}

/** keptContext for what is stored. */
export function keptTraceparent(traceparent: string): string {
  return TRACEPARENT.test(traceparent) ? `${traceparent.slice(0, -2)}01` : traceparent;
}
