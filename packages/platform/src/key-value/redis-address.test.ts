import { describe, expect, it } from 'vitest';
import { StartError } from '../errors.ts';
import { parseRedisAddress } from './redis-address.ts';

const single = { kind: 'single', tls: false, username: undefined, password: undefined, master: '', db: 0 };

describe('addresses of Redis', () => {
  it.each([
    ['redis://h', { ...single, hosts: [{ host: 'h', port: 6379 }] }],
    ['redis://h:1/2', { ...single, hosts: [{ host: 'h', port: 1 }], db: 2 }],
    ['rediss://:p%40ss@[::1]:1', { ...single, tls: true, password: 'p@ss', hosts: [{ host: '::1', port: 1 }] }],
    ['redis://u:p@h:1', { ...single, username: 'u', password: 'p', hosts: [{ host: 'h', port: 1 }] }],
    [
      'redis+cluster://a:1,b',
      {
        ...single,
        kind: 'cluster',
        hosts: [
          { host: 'a', port: 1 },
          { host: 'b', port: 6379 },
        ],
      },
    ],
    [
      'rediss+sentinel://:p@a:1,b/main/3',
      {
        ...single,
        kind: 'sentinel',
        tls: true,
        password: 'p',
        hosts: [
          { host: 'a', port: 1 },
          { host: 'b', port: 26379 },
        ],
        master: 'main',
        db: 3,
      },
    ],
  ])('%s', (url, expected) => {
    expect(parseRedisAddress(url)).toEqual(expected);
  });

  it.each([
    'redis://',
    'redis://h:1:2',
    'redis://h:99999',
    'redis://secret@h',
    'redis://:secret%@h',
    'redis://a,b',
    'redis://h/x',
    'redis://h/0/1',
    'redis+cluster://a/1',
    'redis+sentinel://a:1',
    'http://h',
  ])('refuses %s without repeating it', (url) => {
    expect(() => parseRedisAddress(url)).toThrow(StartError);
    expect(() => parseRedisAddress(url)).not.toThrow(/secret/);
  });
});
