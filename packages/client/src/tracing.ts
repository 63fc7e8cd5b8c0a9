import {
  type Attributes,
  type Context,
  context as contexts,
  ProxyTracerProvider,
  ROOT_CONTEXT,
  SpanKind,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import { contextUnder, endSpan, errorTypeOf, MessageTracer, rpcAttributes, storedTraceOf } from '@tpc/core';

const SERVICE = 'tpc.v1.ReliableMessageService';
const SCOPE = '@tpc/client';

/**
 * Tracing for a producer or consumer, or nothing where nobody would see it.
 * @param tracer default: one of the OpenTelemetry SDK that the process has registered by now
 */
export function messageTracer(tracer: Tracer | undefined): MessageTracer | undefined {
  const used = tracer ?? registeredTracer();
  return used && new MessageTracer(used);
}

function registeredTracer(): Tracer | undefined {
  const provider = trace.getTracerProvider();
  return provider instanceof ProxyTracerProvider ? provider.getDelegateTracer(SCOPE) : provider.getTracer(SCOPE);
}

/** Options of a call that carry its span's context. */
export type CallTrace = { metadata?: Readonly<Record<string, string>> };

/**
 * Makes a call to TPC for some messages under one span, whose context the call carries in its metadata.
 * @param method name in ReliableMessageService
 * @param of the messages' own spans as contexts
 */
export async function callUnderSpan<T>(
  tracing: MessageTracer | undefined,
  { method, of, attributes }: { method: string; of: readonly (Context | undefined)[]; attributes: Attributes },
  call: (options: CallTrace) => Promise<T>,
): Promise<T> {
  if (tracing === undefined) return call({});
  const name = `${SERVICE}/${method}`;
  const span = tracing.startStep(name, SpanKind.CLIENT, of, rpcAttributes(name, attributes));
  // A flush goes on in whatever context its first caller had: that is none of the others' business.
  if (span === undefined) return contexts.with(ROOT_CONTEXT, () => call({}));
  try {
    const { traceparent, tracestate } = storedTraceOf(span.spanContext());
    const metadata: Record<string, string> = tracestate === '' ? { traceparent } : { traceparent, tracestate };
    const result = await contexts.with(contextUnder(span), () => call({ metadata }));
    span.setAttribute('rpc.status_code', 'OK');
    span.end();
    return result;
  } catch (error) {
    span.setAttribute('rpc.status_code', errorTypeOf(error));
    endSpan(span, errorTypeOf(error));
    throw error;
  }
}
