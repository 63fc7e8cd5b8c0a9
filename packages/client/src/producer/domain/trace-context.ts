/** W3C trace context (https://www.w3.org/TR/trace-context/). */
export type TraceContext = { traceparent: string; tracestate?: string };

const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;
const TRACESTATE = /^[\x20-\x7e]{0,512}$/;

/** What may be stored and sent: a context that is not well formed is left out, since telemetry must never stop a message. */
export function usableTraceContext(context: TraceContext | undefined): Required<TraceContext> {
  if (context === undefined || !TRACEPARENT.test(context.traceparent)) return { traceparent: '', tracestate: '' };
  const { traceparent, tracestate = '' } = context;
  return { traceparent, tracestate: TRACESTATE.test(tracestate) ? tracestate : '' };
}
