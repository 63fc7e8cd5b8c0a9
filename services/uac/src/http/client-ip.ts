import { isIP, isIPv6 } from 'node:net';
import type { FastifyRequest } from 'fastify';

/** Whom to believe about X-Forwarded-For: nobody, so many proxies in front, or proxies of these addresses. */
export type TrustProxy = false | number | string[];

/**
 * The caller's address. Behind a proxy that is trusted (UAC_TRUST_PROXY) it is what that proxy says; what is no address there is not believed. An IPv4
 * address that came over an IPv6 socket is written as IPv4.
 */
export function clientIp(request: FastifyRequest): string {
  const said = plain(request.ip);
  return isIP(said) === 0 ? plain(request.socket.remoteAddress ?? '') : said;
}

function plain(ip: string): string {
  return ip.replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, '').replace(/%.*$/, '');
}

/** What counts as one caller for limits: an IPv4 address, or the /64 that an IPv6 customer has to choose addresses from. */
export function ipNetwork(ip: string): string {
  if (!isIPv6(ip)) return ip;
  const [head = '', tail] = ip.toLowerCase().split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const groups = tail === undefined ? left : [...left, ...Array<string>(Math.max(0, 8 - left.length - right.length)).fill('0'), ...right];
  return `${groups
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':')}::/64`;
}
