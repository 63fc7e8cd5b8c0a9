import { describe, expect, it } from 'vitest';
import { proxyOptions, proxyVariableFor } from './http-proxy.ts';

const env = { http_proxy: 'http://proxy.example:3128' };

describe('a proxy of the environment', () => {
  it.each([
    '127.0.0.1:50051',
    '127.9.9.9:1',
    '[::1]:50051',
    'localhost:50051',
    'ipv4:127.0.0.1:8081',
    'dns:///tpc-headless:50051',
    'dns:tpc:50051',
    'tpc.prod.svc:50051',
    'dns:///tpc.prod.svc.cluster.local:50051',
    'tpc.internal:1',
  ])('is never between here and %s', (target) => {
    expect(proxyVariableFor(target, env)).toBeUndefined();
    expect(proxyOptions(target, env)).toEqual({ 'grpc.enable_http_proxy': 0 });
  });

  it.each(['tpc.example.com:443', 'dns:///tpc.example.com:443', '203.0.113.7:50051', 'ipv4:203.0.113.7:50051', '[2001:db8::1]:443'])(
    'is between here and %s',
    (target) => {
      expect(proxyVariableFor(target, env)).toBe('http_proxy');
      expect(proxyOptions(target, env)).toEqual({});
    },
  );

  it.each([
    ['tpc.example.com', 'other.org, tpc.example.com'],
    ['tpc.example.com', ' .example.com'],
    ['tpc.example.com', '*.example.com'],
    ['203.0.113.7', '10.0.0.0/8, 203.0.113.0/24'],
    ['tpc.example.com', '*'],
  ])('is not between here and %s where no_proxy is "%s"', (host, list) => {
    expect(proxyVariableFor(`${host}:443`, { ...env, no_proxy: list })).toBeUndefined();
  });

  it.each([
    ['nottpc.example.com', 'tpc.example.com'],
    ['203.0.114.7', '203.0.113.0/24'],
  ])('is between here and %s where no_proxy is "%s"', (host, list) => {
    expect(proxyVariableFor(`${host}:443`, { ...env, no_proxy: list })).toBe('http_proxy');
  });

  it('is named by the variable that gRPC takes', () => {
    expect(proxyVariableFor('tpc.example.com:1', { https_proxy: 'http://a:1', grpc_proxy: 'http://b:1', http_proxy: 'http://c:1' })).toBe(
      'grpc_proxy',
    );
    expect(proxyVariableFor('tpc.example.com:1', { http_proxy: '' })).toBeUndefined();
  });
});
