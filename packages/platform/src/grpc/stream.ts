import type { ServerDuplexStream } from '@grpc/grpc-js';
import { toAppError } from '../errors.ts';
import type { Log } from '../log/log.ts';
import type { Admission } from './admission.ts';
import { isUnreadable } from './requests.ts';
import { toServiceError } from './status-details.ts';

export type StreamOptions = {
  domain: string;
  log: Log;
  authenticatedCallOf: Admission['authenticatedCallOf'];
};

/**
 * Makes a handler that answers the requests of a stream one after the other. The next request is read only when the answer before it has left, so a
 * caller that does not read its answers fills no memory. Whatever `reply` throws ends this one stream, with a status, and nothing else.
 */
export function answerEach<Q, S>(reply: (request: Q) => S, options: StreamOptions): (call: ServerDuplexStream<Q, S>) => void {
  return (call) => {
    serve(call, reply, options).catch((error: unknown) => end(call, error, options));
  };
}

async function serve<Q, S>(call: ServerDuplexStream<Q, S>, reply: (request: Q) => S, { authenticatedCallOf }: StreamOptions): Promise<void> {
  const { ended } = authenticatedCallOf(call.metadata);
  const gone = new Promise<void>((resolve) => call.once('close', resolve));
  const dismissed = new Promise<void>((resolve) => ended.addEventListener('abort', () => resolve(), { once: true }));
  // The stream stays open at its end, so that its status can still be sent.
  for await (const request of call.iterator({ destroyOnReturn: false })) {
    ended.throwIfAborted();
    if (isUnreadable(request)) throw request.error;
    const left = new Promise<void>((resolve) => void call.write(reply(request as Q), () => resolve()));
    await Promise.race([left, gone, dismissed]);
    ended.throwIfAborted();
  }
  call.end();
}

/** grpc-js makes the status of a stream from its event `error`. */
function end<Q, S>(call: ServerDuplexStream<Q, S>, cause: unknown, { domain, log }: StreamOptions): void {
  if (call.destroyed) return;
  const error = toAppError(cause);
  if (error.cause !== undefined) log.error({ method: call.getPath(), err: error.cause }, 'call failed');
  call.emit('error', toServiceError(error, domain));
}
