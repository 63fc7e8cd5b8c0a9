import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { StartError } from '../errors.ts';
import {
  bindSetting,
  describeConfig,
  integerSetting,
  loadConfig,
  loopbackSetting,
  optionalBindSetting,
  optionalPortSetting,
  portSetting,
  secretSetting,
} from './config.ts';

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

describe('a secret setting', () => {
  const dir = mkdtempSync(join(tmpdir(), 'tpc-secret-'));
  afterAll(() => rmSync(dir, { recursive: true, force: true }));
  const secrets = z.object({
    SMTP_HOST: z.string().default('localhost').describe('Host.'),
    SMTP_PASSWORD: secretSetting(z.string().min(3, 'expected 3 characters or more').optional().describe('Password.')),
    TPC_TOKEN: secretSetting(z.string().optional().describe('Token.')),
    TPC_TOKEN_FILE: z.string().optional().describe('Read by the client library, again and again.'),
  });
  const file = (text: string) => {
    const path = join(dir, String(Math.random()));
    writeFileSync(path, text);
    return path;
  };

  it.each([
    ['s3cret', 's3cret'],
    ['s3cret\n', 's3cret'],
    ['s3cret\r\n', 's3cret'],
    [' two\nlines\n\n', ' two\nlines\n'],
  ])('is read from its file without the line break at the end: %j', (text, value) => {
    expect(loadConfig(secrets, { SMTP_PASSWORD_FILE: file(text) }).SMTP_PASSWORD).toBe(value);
  });

  it('is taken from the environment where no file is named', () => {
    expect(loadConfig(secrets, { SMTP_PASSWORD: 'plain', SMTP_PASSWORD_FILE: '' }).SMTP_PASSWORD).toBe('plain');
    expect(loadConfig(secrets, {}).SMTP_PASSWORD).toBeUndefined();
  });

  it('stops the start when its file is missing, empty, or the value is given twice; the line names the setting', () => {
    const missing = join(dir, 'missing');
    const load = (env: Record<string, string>) => () => loadConfig(secrets, env);
    expect(load({ SMTP_PASSWORD_FILE: missing })).toThrow(new StartError(`bad setting: SMTP_PASSWORD_FILE="${missing}": cannot be read: ENOENT`));
    const empty = file('\n');
    expect(load({ SMTP_PASSWORD_FILE: empty })).toThrow(new StartError(`bad setting: SMTP_PASSWORD_FILE="${empty}": the file is empty`));
    const both = { SMTP_PASSWORD: 'plain', SMTP_PASSWORD_FILE: file('s3cret') };
    expect(load(both)).toThrow(new StartError('bad setting: only one of SMTP_PASSWORD and SMTP_PASSWORD_FILE may be set'));
  });

  it('is never told, wherever it came from', () => {
    const line = 'bad setting: SMTP_PASSWORD="…": expected 3 characters or more';
    expect(() => loadConfig(secrets, { SMTP_PASSWORD: 'xy' })).toThrow(new StartError(line));
    expect(() => loadConfig(secrets, { SMTP_PASSWORD_FILE: file('xy') })).toThrow(new StartError(line));
  });

  it('leaves a file with a setting of its own to who reads that setting, and knows no file of what is no secret', () => {
    const path = file('token');
    expect(loadConfig(secrets, { TPC_TOKEN_FILE: path, SMTP_HOST_FILE: path })).toEqual({ SMTP_HOST: 'localhost', TPC_TOKEN_FILE: path });
  });

  it('is listed as secret with the setting of its file', () => {
    const listed = describeConfig(secrets).map(({ key, secret, fileKey }) => [key, secret, fileKey]);
    expect(listed).toEqual([
      ['SMTP_HOST', false, undefined],
      ['SMTP_PASSWORD', true, 'SMTP_PASSWORD_FILE'],
      ['TPC_TOKEN', true, undefined],
      ['TPC_TOKEN_FILE', false, undefined],
    ]);
  });
});

describe('describeConfig', () => {
  it('lists each key with default and description', () => {
    expect(describeConfig(schema)[0]).toMatchObject({ key: 'TPC_GRPC_PORT', defaultValue: '50051', description: 'Port of the gRPC server.' });
  });
});
