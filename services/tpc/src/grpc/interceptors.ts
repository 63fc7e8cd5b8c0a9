import { type AccessRule, guard, needs, ownGroupOnly, type UnaryHandler } from '@tpc/platform';
import { appErrorOf, RETRY_WHEN_UNAVAILABLE_MS, toCallError } from './errors.ts';

type Handler = UnaryHandler<unknown, unknown>;

/** Which rule a method of a service stands under. */
export type RuleFor = (method: string) => AccessRule;

/** Producers and consumers: every request names the group that it speaks for, which must be the caller's. */
export const groupCalls: RuleFor = () => ownGroupOnly;

/** What only looks. Everything else, also what is added later, is an act and needs the role operator. */
const READING = ['listMessages', 'getMessage', 'listConsumerGroups'];

/** Operators. */
export const adminCalls: RuleFor = (method) => needs(READING.includes(method) ? 'viewer' : 'operator');

/**
 * Puts around each of a service's handlers what all of them need. Whether the caller may is decided before anything is done or told; nothing is done before
 * the database is ready; what goes wrong becomes a typed error.
 */
export function intercept<H extends object>(handlers: H, isReady: () => boolean, ruleFor: RuleFor): H {
  const wrapped = Object.entries(handlers as Record<string, Handler>).map(([method, handler]) => [method, whenReady(handler, isReady)]);
  return guard(Object.fromEntries(wrapped) as H, ruleFor);
}

function whenReady(handler: Handler, isReady: () => boolean): Handler {
  return async (request, context) => {
    if (!isReady()) throw appErrorOf('STORE_UNAVAILABLE', {}, { retryAfterMs: RETRY_WHEN_UNAVAILABLE_MS });
    try {
      return await handler(request, context);
    } catch (error) {
      throw toCallError(error);
    }
  };
}
