import type { UnaryHandler } from '../grpc/unary.ts';
import { type Caller, describeCaller } from './caller.ts';
import { authError } from './reasons.ts';

/** Whether a caller may make this request. @throws AppError PERMISSION_DENIED */
export type AccessRule = (caller: Caller, request: unknown) => void;

/**
 * A group speaks for itself only: the `producer_group` or `consumer_group` of the request must be the caller's. A request without either is for
 * nobody.
 */
export const ownGroupOnly: AccessRule = (caller, request) => {
  if (caller.kind === 'anyone') return;
  const { producerGroup, consumerGroup } = request as { producerGroup?: string; consumerGroup?: string };
  const kind = producerGroup === undefined ? 'consumer' : 'producer';
  const group = producerGroup ?? consumerGroup;
  const own = caller.kind === kind && caller.group === group;
  if (!own) throw authError('GROUP_FOREIGN', { caller: describeCaller(caller), kind });
};

/** Operators with the role, where `operator` includes `viewer`; also services where they are named. */
export function needs(who: 'viewer' | 'operator', also?: 'service'): AccessRule {
  const needed = `the role ${who}${also === undefined ? '' : ', or a service token'}`;
  return (caller) => {
    if (caller.kind === 'anyone') return;
    if (caller.kind === 'operator' && (caller.role === who || caller.role === 'operator')) return;
    if (also !== undefined && caller.kind === also) return;
    throw authError('ROLE_NEEDED', { caller: describeCaller(caller), needed });
  };
}

/** Puts a rule in front of each handler of a service. */
export function guard<H extends object>(handlers: H, ruleFor: (method: string) => AccessRule): H {
  const guarded = Object.entries(handlers as Record<string, UnaryHandler<unknown, unknown>>).map(([method, next]) => {
    const rule = ruleFor(method);
    const handler: UnaryHandler<unknown, unknown> = async (request, context) => {
      rule(context.caller, request);
      return next(request, context);
    };
    return [method, handler];
  });
  return Object.fromEntries(guarded) as H;
}
