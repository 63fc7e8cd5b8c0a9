import { type handleUnaryCall, type ServerUnaryCall, status, type UntypedHandleCall } from '@grpc/grpc-js';
import { context as contexts, type Span } from '@opentelemetry/api';
import { contextUnder, endSpan, type MessageTracer, storedTraceOf } from '@tpc/core';
import type { AuthenticatedCall } from '../auth/authenticator.ts';
import type { Caller } from '../auth/caller.ts';
import { isAuthError } from '../auth/reasons.ts';
import { type AppError, toAppError } from '../errors.ts';
import type { Log } from '../log/log.ts';
import { type ServiceTracing, startCallSpan } from '../telemetry/call-spans.ts';
import type { NoteCall } from '../telemetry/metrics-parts.ts';
import type { Admission, OnRefused } from './admission.ts';
import { isUnreadable } from './requests.ts';
import { toServiceError } from './status-details.ts';

/** What a handler may know of its call. */
export type CallContext = {
  /** Aborted when the caller cancels, goes away or loses its right to be here, or the server stops. */
  signal: AbortSignal;
  /** On the clock of `performance.now()`, milliseconds; Infinity without a deadline. */
  deadline: number;
  /** W3C trace context under which the call goes on: of its own span where it has one, else from the metadata; or empty. */
  traceparent: string;
  tracestate: string;
  /** Language wish from the metadata `accept-language`, or empty. */
  acceptLanguage: string;
  /** Address of the caller. */
  peer: string;
  /** Who calls; `anyone` where no tokens are configured. */
  caller: Caller;
};

export type UnaryHandler<Request, Response> = (request: Request, context: CallContext) => Promise<Response>;

/** One handler for each method of a generated service definition. */
export type UnaryHandlers<Service> = {
  [M in keyof Service]: Service[M] extends { requestDeserialize: (bytes: Buffer) => infer Q; responseSerialize: (value: infer R) => Buffer }
    ? UnaryHandler<Q, R>
    : never;
};

export type UnaryOptions = {
  domain: string;
  log: Log;
  stopping: AbortSignal;
  authenticatedCallOf: Admission['authenticatedCallOf'];
  onRefused: OnRefused;
  onAnswered: NoteCall;
  tracing?: CallTracing | undefined;
};

/** How the calls of a service are traced, and with what. */
export type CallTracing = ServiceTracing & { tracing: MessageTracer };

/** Turns typed handlers into grpc-js handlers: the one place where callers are let in and errors become statuses. */
export function toGrpcHandlers<Service extends object>(handlers: UnaryHandlers<Service>, options: UnaryOptions): Record<string, UntypedHandleCall> {
  return Object.fromEntries(
    Object.entries(handlers).map(([method, handler]) => [method, toGrpcHandler(method, handler as UnaryHandler<unknown, unknown>, options)]),
  );
}

function toGrpcHandler(method: string, handler: UnaryHandler<unknown, unknown>, options: UnaryOptions): handleUnaryCall<unknown, unknown> {
  return (call, callback) => {
    const began = performance.now();
    const span = options.tracing && spanOf(method, call, options.tracing);
    const ended = (code: string, failure?: string) => {
      endSpan(span?.setAttribute('rpc.status_code', code), failure);
      options.onAnswered(call.getPath().slice(1), code, performance.now() - began);
    };
    const answered = span ? contexts.with(contextUnder(span), () => answer(call, handler, options, span)) : answer(call, handler, options);
    const failed = (error: unknown) => {
      const appError = toAppError(error);
      callback(toServiceError(appError, options.domain), null);
      ended(status[appError.status], status[appError.status]);
      report(method, call, appError, options);
    };
    answered
      .then((response) => {
        callback(null, response);
        ended('OK');
      }, failed)
      // The caller has its answer; what fails behind it must not end the process.
      .catch((err: unknown) => options.log.error({ method, err }, 'an answered call was not recorded'));
  };
}

function spanOf(method: string, call: ServerUnaryCall<unknown, unknown>, { tracing, beginTraces, keyOf }: CallTracing): Span | undefined {
  const mayBegin = beginTraces?.(method) ?? true;
  const messageKey = () => (isUnreadable(call.request) ? undefined : keyOf?.(call.request));
  return startCallSpan(tracing, { path: call.getPath(), caller: traceOf(call), mayBegin, messageKey });
}

function report(method: string, call: ServerUnaryCall<unknown, unknown>, error: AppError, { log, onRefused }: UnaryOptions): void {
  if (error.status === status.INTERNAL || error.status === status.UNKNOWN) log.error({ method, err: error.cause ?? error }, 'call failed');
  else log.debug({ method, reason: error.reason, status: status[error.status] }, 'call refused');
  if (!isAuthError(error)) return;
  onRefused({ reason: error.reason, method, peer: call.getPeer(), caller: error.metadata.caller ?? error.metadata.cause ?? '' });
}

async function answer(
  call: ServerUnaryCall<unknown, unknown>,
  handler: UnaryHandler<unknown, unknown>,
  options: UnaryOptions,
  span?: Span,
): Promise<unknown> {
  const authenticated = options.authenticatedCallOf(call.metadata);
  const { context, release } = contextOf(call, authenticated, options.stopping, span);
  try {
    authenticated.ended.throwIfAborted();
    if (isUnreadable(call.request)) throw call.request.error;
    const response = await handler(call.request, context);
    // A long poll of somebody who may no longer be here takes nothing with it.
    authenticated.ended.throwIfAborted();
    return response;
  } catch (error) {
    throw authenticated.ended.aborted ? authenticated.ended.reason : error;
  } finally {
    release();
  }
}

function text(call: ServerUnaryCall<unknown, unknown>, key: string): string {
  return String(call.metadata.get(key)[0] ?? '');
}

function traceOf(call: ServerUnaryCall<unknown, unknown>): { traceparent: string; tracestate: string } {
  return { traceparent: text(call, 'traceparent'), tracestate: text(call, 'tracestate') };
}

function contextOf(
  call: ServerUnaryCall<unknown, unknown>,
  authenticated: AuthenticatedCall,
  stopping: AbortSignal,
  span: Span | undefined,
): { context: CallContext; release: () => void } {
  const ended = new AbortController();
  const onEnd = () => ended.abort();
  call.on('cancelled', onEnd);
  stopping.addEventListener('abort', onEnd, { once: true });
  authenticated.ended.addEventListener('abort', onEnd, { once: true });
  const deadline = call.getDeadline();
  const remaining = (deadline instanceof Date ? deadline.getTime() : deadline) - Date.now();
  return {
    context: {
      signal: ended.signal,
      deadline: performance.now() + remaining,
      ...(span ? storedTraceOf(span.spanContext()) : traceOf(call)),
      acceptLanguage: text(call, 'accept-language'),
      peer: call.getPeer(),
      caller: authenticated.caller,
    },
    release: () => {
      // grpc-js says so of calls that were answered, too; an abort makes an error with its stack each time.
      call.removeListener('cancelled', onEnd);
      stopping.removeEventListener('abort', onEnd);
      authenticated.ended.removeEventListener('abort', onEnd);
    },
  };
}
