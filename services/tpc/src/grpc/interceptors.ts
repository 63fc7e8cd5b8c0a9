import { type AccessRule, needs, ownGroupOnly, type UnaryHandler } from '@tpc/platform';
import { appErrorOf, RETRY_WHEN_UNAVAILABLE_MS, toCallError } from './errors.ts';

/** What stands around every handler: takes a handler and gives one that does more. */
export type Interceptor = (next: UnaryHandler<unknown, unknown>) => UnaryHandler<unknown, unknown>;

/** Which rule a method of a service stands under. */
export type RuleFor = (method: string) => AccessRule;

/** Producers and consumers: every request names the group that it speaks for, which must be the caller's. */
export const groupCalls: RuleFor = () => ownGroupOnly;

/** What only looks. Everything else, also what is added later, is an act and needs the role operator. */
const READING = ['listMessages', 'getMessage', 'listConsumerGroups'];

/** Operators. */
export const adminCalls: RuleFor = (method) => needs(READING.includes(method) ? 'viewer' : 'operator');

/**
 * The chain around a handler, outermost first. Errors are made typed at the outside; who calls is known by then (packages/platform), and whether they
 * may is decided before anything is done or told; nothing is done before the database is ready.
 */
function callInterceptors(isReady: () => boolean, rule: AccessRule): readonly Interceptor[] {
  return [typedErrors, onlyWhoMay(rule), onlyWhenReady(isReady)];
}

/** Puts the chain around each of a service's handlers. */
export function intercept<H extends object>(handlers: H, isReady: () => boolean, ruleFor: RuleFor): H {
  const wrapped = Object.entries(handlers).map(([method, handler]) => [
    method,
    callInterceptors(isReady, ruleFor(method)).reduceRight((next, interceptor) => interceptor(next), handler as UnaryHandler<unknown, unknown>),
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

function onlyWhoMay(rule: AccessRule): Interceptor {
  return (next) => async (request, context) => {
    rule(context.caller, request);
    return next(request, context);
  };
}

function onlyWhenReady(isReady: () => boolean): Interceptor {
  return (next) => async (request, context) => {
    if (!isReady()) throw appErrorOf('STORE_UNAVAILABLE', {}, { retryAfterMs: RETRY_WHEN_UNAVAILABLE_MS });
    return next(request, context);
  };
}
