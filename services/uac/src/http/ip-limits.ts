import { ipNetwork } from '@tpc/platform';
import type { FastifyRequest } from 'fastify';
import type { RateLimiter } from '../flows/rate-limit.ts';
import { clientIp } from './client-ip.ts';

const MINUTE_MS = 60_000;

/** Requests that one ip may make in a minute; 0: any number. */
export type IpLimits = { limit: RateLimiter; registerPerMinute: number; loginPerMinute: number };

/**
 * Refuses an ip that asks too often, before its body is read. Only here: over gRPC people come through a front end, which has one ip for all.
 * @throws AppError UAC10011109, answered 429 with Retry-After
 */
export function limitIp({ limit }: IpLimits, name: string, max: number): (request: FastifyRequest) => Promise<void> {
  return async (request) => {
    if (max > 0) await limit([{ name: `${name}-ip`, value: ipNetwork(clientIp(request)), max, windowMs: MINUTE_MS }]);
  };
}
