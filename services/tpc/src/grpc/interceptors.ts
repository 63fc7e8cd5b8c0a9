import type { UnaryHandler } from '@tpc/platform';
import { appErrorOf, RETRY_WHEN_UNAVAILABLE_MS, toCallError } from './errors.ts';

/** What stands around every handler: takes a handler and gives one that does more. */
export type Interceptor = (next: UnaryHandler<unknown, unknown>) => UnaryHandler<unknown, unknown>;

/**
 * The chain around every handler, outermost first. Errors are made typed at the outside; nothing is done before the database is ready. Who may call for
 * which group is to be decided between the two, where both the request and the call's metadata are known.
 */
export function callInterceptors(isReady: () => boolean): readonly Interceptor[] {
  return [typedErrors, onlyWhenReady(isReady)];
}

/** Puts a chain around each of a service's handlers. */
export function intercept<H extends object>(handlers: H, chain: readonly Interceptor[]): H {
  const wrapped = Object.entries(handlers).map(([method, handler]) => [
    method,
    chain.reduceRight((next, interceptor) => interceptor(next), handler as UnaryHandler<unknown, unknown>),
  ]);
  return Object.fromEntries(wrapped) as H;
}

const typedErrors: Interceptor = (next) => async (request, context) => {
  try {
    return await next(request, context);
  } catch (error) {
    throw toCallError(error);
  }
};

function onlyWhenReady(isReady: () => boolean): Interceptor {
  return (next) => async (request, context) => {
    if (!isReady()) throw appErrorOf('STORE_UNAVAILABLE', {}, { retryAfterMs: RETRY_WHEN_UNAVAILABLE_MS });
    return next(request, context);
  };
}
