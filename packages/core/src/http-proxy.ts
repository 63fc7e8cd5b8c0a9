/**
 * HTTP proxies of the environment, as gRPC takes them: grpc_proxy, https_proxy or http_proxy, unless no_grpc_proxy or no_proxy names the host. What is
 * near is never reached through one: a proxy of the office knows neither this machine's ports nor the names of a cluster.
 */
import { isIP } from 'node:net';

type Environment = Readonly<Record<string, string | undefined>>;

// biome-ignore lint/style/noProcessEnv: they are nobody's settings; gRPC itself reads them there at each connection.
const ENVIRONMENT: Environment = process.env;

const PROXY_VARIABLES = ['grpc_proxy', 'https_proxy', 'http_proxy'];
/** Endings of names that only a cluster or a local network knows. */
const NEAR = ['.localhost', '.local', '.internal', '.svc'];

/**
 * @param target as gRPC takes it: `host:port`, `dns:///host:port`, `ipv4:host:port`
 * @returns the name of the variable whose proxy stands between here and there; undefined where none does
 */
export function proxyVariableFor(target: string, env: Environment = ENVIRONMENT): string | undefined {
  const variable = PROXY_VARIABLES.find((name) => env[name]?.trim());
  if (variable === undefined) return undefined;
  const host = hostOf(target);
  return isNear(host) || isExempt(host, env.no_grpc_proxy || env.no_proxy || '') ? undefined : variable;
}

/** Options of a gRPC channel that keep it from a proxy where none belongs. gRPC itself misses names behind a blank in no_proxy. */
export function proxyOptions(target: string, env: Environment = ENVIRONMENT): { 'grpc.enable_http_proxy'?: 0 } {
  return proxyVariableFor(target, env) === undefined ? { 'grpc.enable_http_proxy': 0 } : {};
}

function hostOf(target: string): string {
  const address = target.replace(/^[a-z0-9]+:(\/\/[^/]*\/|\/*)?(?=[^/])(?=.*:\d)/, '');
  const bracketed = /^\[([^\]]+)\]/.exec(address)?.[1];
  return (bracketed ?? address.replace(/:\d+$/, '')).toLowerCase();
}

function isNear(host: string): boolean {
  if (isIP(host) === 4) return host.startsWith('127.');
  if (isIP(host) === 6) return host === '::1';
  return !host.includes('.') || NEAR.some((ending) => host.endsWith(ending));
}

/** Names and their endings, addresses, and IPv4 networks; `*` is every host. */
function isExempt(host: string, list: string): boolean {
  return list
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .some((entry) => entry === '*' || isInNetwork(host, entry) || matchesName(host, entry.toLowerCase()));
}

function matchesName(host: string, entry: string): boolean {
  const name = entry.replace(/^\*?\./, '').replace(/:\d+$/, '');
  return host === name || host.endsWith(`.${name}`);
}

function isInNetwork(host: string, entry: string): boolean {
  const [network = '', bits = ''] = entry.split('/');
  if (isIP(host) !== 4 || isIP(network) !== 4 || !/^\d{1,2}$/.test(bits)) return false;
  const shift = 2 ** (32 - Number(bits));
  return Math.floor(numberOf(host) / shift) === Math.floor(numberOf(network) / shift);
}

function numberOf(ip: string): number {
  return ip.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
}
