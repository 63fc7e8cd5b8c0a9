import { StartError } from '../errors.ts';

export type RedisHost = { host: string; port: number };

/** Where a Redis is, and how one speaks to it. */
export type RedisAddress = {
  kind: 'single' | 'cluster' | 'sentinel';
  tls: boolean;
  username: string | undefined;
  password: string | undefined;
  /** The server; or some nodes of the cluster; or the sentinels. */
  hosts: readonly [RedisHost, ...RedisHost[]];
  /** Name by which the sentinels know the master; empty otherwise. */
  master: string;
  db: number;
};

export const REDIS_ADDRESS_FORMS =
  'redis://[user:password@]host:port[/db], rediss:// for TLS, redis+cluster://host:port,host:port or redis+sentinel://host:port,host:port/master[/db]';

const DEFAULT_PORT = 6379;
const DEFAULT_SENTINEL_PORT = 26_379;
const FORM = /^redis(s?)(?:\+(cluster|sentinel))?:\/\/(?:([^@/]*)@)?([^/?#]+)(?:\/([^?#]*))?$/;

export function isRedisAddress(url: string): boolean {
  return FORM.test(url);
}

/**
 * Reads an address of Redis. A user without a password is none: `redis://:password@host` has a password alone.
 * @throws StartError that does not repeat the address, which may hold a password
 */
export function parseRedisAddress(url: string): RedisAddress {
  const [, secure, kind = 'single', login, hosts = '', path = ''] = FORM.exec(url) ?? [];
  if (hosts === '') throw bad();
  const parts = path === '' ? [] : path.split('/');
  const master = kind === 'sentinel' ? decode(parts.shift() ?? '') : '';
  const [db = '0', ...rest] = parts;
  if (rest.length > 0 || !/^\d{1,4}$/.test(db) || (kind === 'sentinel') !== (master !== '') || (kind === 'cluster' && db !== '0')) throw bad();
  const list = hosts.split(',').map((host) => parseHost(host, kind === 'sentinel' ? DEFAULT_SENTINEL_PORT : DEFAULT_PORT));
  if (kind === 'single' && list.length > 1) throw bad();
  const [username, password] = parseLogin(login);
  return {
    kind: kind as RedisAddress['kind'],
    tls: secure === 's',
    username,
    password,
    hosts: list as [RedisHost, ...RedisHost[]],
    master,
    db: Number(db),
  };
}

function parseHost(text: string, defaultPort: number): RedisHost {
  const [, host, port] = /^(\[[0-9A-Fa-f:.]+\]|[^:\s]+)(?::(\d{1,5}))?$/.exec(text) ?? [];
  if (!host || Number(port) > 65_535) throw bad();
  return { host: host.replace(/^\[|\]$/g, ''), port: port ? Number(port) : defaultPort };
}

function parseLogin(login: string | undefined): [string | undefined, string | undefined] {
  if (login === undefined || login === '') return [undefined, undefined];
  const at = login.indexOf(':');
  if (at < 0) throw bad();
  return [decode(login.slice(0, at)) || undefined, decode(login.slice(at + 1)) || undefined];
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw bad(); // A percent sign that begins no character.
  }
}

function bad(): StartError {
  return new StartError(`bad address of Redis: expected ${REDIS_ADDRESS_FORMS}; other characters in a password are written as in any URL, %40 for @`);
}
