import { type Span, SpanKind } from '@opentelemetry/api';
import { contextOf, MESSAGE_KEY, type MessageTracer, rpcAttributes, type StoredTrace } from '@tpc/core';

/** How the calls of a service are traced. */
export type ServiceTracing = {
  /** Methods whose calls begin a trace where the caller has none. Default: all. */
  beginTraces?: (method: string) => boolean;
  /** The key of the message that a request is about, where it is about one alone. Default: none. */
  keyOf?: (request: unknown) => string | undefined;
};

/**
 * The span of a gRPC call at its server.
 * @param path `/package.Service/Method`
 * @param caller trace context that came with the call
 * @param mayBegin whether a call without one begins a trace
 */
export function startCallSpan(
  tracing: MessageTracer,
  { path, caller, mayBegin, messageKey }: { path: string; caller: StoredTrace; mayBegin: boolean; messageKey: () => string | undefined },
): Span | undefined {
  const parent = contextOf(caller);
  const method = path.slice(1);
  const span = parent
    ? tracing.start(method, SpanKind.SERVER, parent, rpcAttributes(method))
    : mayBegin
      ? tracing.begin(method, SpanKind.SERVER)
      : undefined;
  if (!span?.isRecording()) return span;
  // A call with a trace of its own is not part of the message's: who asks for the key is to get one trace.
  const key = parent && messageKey();
  return span.setAttributes({ ...rpcAttributes(method), ...(key === undefined ? {} : { [MESSAGE_KEY]: key }) });
}
