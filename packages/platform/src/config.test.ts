import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import {
  bindSetting,
  describeConfig,
  integerSetting,
  loadConfig,
  loopbackSetting,
  optionalBindSetting,
  optionalPortSetting,
  portSetting,
} from './config.ts';
import { StartError } from './errors.ts';

const schema = z.object({
  TPC_GRPC_PORT: portSetting(50051).describe('Port of the gRPC server.'),
  BIND_HOST: bindSetting().describe('Address to listen on.'),
  LEASE_MS: integerSetting(30_000, 1_000, 600_000).describe('Lease, milliseconds.'),
});

describe('loadConfig', () => {
  it('gives the defaults when nothing or an empty value is set', () => {
    expect(loadConfig(schema, { TPC_GRPC_PORT: '' })).toEqual({ TPC_GRPC_PORT: 50051, BIND_HOST: '127.0.0.1', LEASE_MS: 30_000 });
  });

  it.each([
    [{ TPC_GRPC_PORT: 'abc' }, 'bad setting: TPC_GRPC_PORT="abc": expected a port, 0 to 65535'],
    [{ TPC_GRPC_PORT: '70000' }, 'bad setting: TPC_GRPC_PORT="70000": expected a port, 0 to 65535'],
    [{ LEASE_MS: '5' }, 'bad setting: LEASE_MS="5": expected a whole number, 1000 to 600000'],
  ])('names the key, its value and what is expected: %o', (env, message) => {
    expect(() => loadConfig(schema, env)).toThrow(new StartError(message));
  });

  it('knows an address and a port that are not set from one that is', () => {
    const optional = z.object({ METRICS_HOST: optionalBindSetting(), METRICS_PORT: optionalPortSetting() });
    expect(loadConfig(optional, {})).toEqual({});
    expect(loadConfig(optional, { METRICS_HOST: '::1', METRICS_PORT: '0' })).toEqual({ METRICS_HOST: '::1', METRICS_PORT: 0 });
  });

  const local = z.object({ BIND_HOST: loopbackSetting() });

  it.each(['0.0.0.0', '::', '10.0.0.1', 'example.org', '127.evil.example'])('refuses %s where only loopback is allowed', (host) => {
    expect(() => loadConfig(local, { BIND_HOST: host })).toThrow(/BIND_HOST.*only a loopback address/);
    expect(loadConfig(schema, { BIND_HOST: host }).BIND_HOST).toBe(host);
  });

  it.each(['127.0.0.1', '127.0.0.9', '::1', 'localhost'])('takes loopback %s', (host) => {
    expect(loadConfig(local, { BIND_HOST: host }).BIND_HOST).toBe(host);
  });
});

describe('describeConfig', () => {
  it('lists each key with default and description', () => {
    expect(describeConfig(schema)[0]).toEqual({ key: 'TPC_GRPC_PORT', defaultValue: '50051', description: 'Port of the gRPC server.' });
  });
});
