import { isIP } from 'node:net';
import { plainIp } from '@tpc/platform';
import type { FastifyRequest } from 'fastify';

/** Whom to believe about X-Forwarded-For: nobody, so many proxies in front, or proxies of these addresses. */
export type TrustProxy = false | number | string[];

/**
 * The caller's address. Behind a proxy that is trusted (UAC_TRUST_PROXY) it is what that proxy says; what is no address there is not believed. An IPv4
 * address that came over an IPv6 socket is written as IPv4.
 */
export function clientIp(request: FastifyRequest): string {
  const said = plainIp(request.ip);
  return isIP(said) === 0 ? plainIp(request.socket.remoteAddress ?? '') : said;
}
