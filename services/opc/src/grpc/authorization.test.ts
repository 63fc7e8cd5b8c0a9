import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { NotificationServiceClient } from '@tpc/gen/opc/v1/notification_service';
import { createLog, hashToken, loadConfig, StartError } from '@tpc/platform';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { configSchema, startOpcService } from '../index.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'opc-authorization-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const start = (settings: Record<string, string>) => {
  const nobody = { BROKER_ENDPOINTS: '127.0.0.1:1', TPC_ADDRESS: '127.0.0.1:1', SMTP_PORT: '1' };
  const env = { ...nobody, OPC_DATABASE_URL: `sqlite:${dir}/opc.db`, OPC_GRPC_PORT: '0', ...settings };
  return startOpcService({ config: loadConfig(configSchema, env), log: createLog({ service: 'opc', level: 'silent', format: 'json' }) });
};

it('shows notifications to viewers, operators and services alone', async () => {
  const file = join(dir, 'tokens.json');
  const entry = (token: string, who: object) => ({ ...who, sha256: hashToken(token).toString('hex') });
  const entries = [
    entry('viewer', { kind: 'operator', name: 'ada', role: 'viewer' }),
    entry('operator', { kind: 'operator', name: 'bob', role: 'operator' }),
    entry('shop', { kind: 'service', name: 'shop' }),
    entry('consumer', { kind: 'consumer', group: 'CID_OPC' }),
  ];
  writeFileSync(file, JSON.stringify({ entries }));
  const service = await start({ OPC_TOKENS_FILE: file });
  const client = new NotificationServiceClient(`127.0.0.1:${service.grpcPort}`, credentials.createInsecure());
  const codesOf = async (token: string) => {
    const metadata = new Metadata();
    if (token !== '') metadata.set('authorization', `Bearer ${token}`);
    const code = (error: ServiceError | null) => error?.code ?? status.OK;
    const list = { pageSize: 0, pageToken: '', topic: '', tag: '', states: [] };
    return Promise.all([
      new Promise<status>((resolve) => client.getNotification({ messageKey: 'k' }, metadata, (error) => resolve(code(error)))),
      new Promise<status>((resolve) => client.listNotifications(list, metadata, (error) => resolve(code(error)))),
    ]);
  };
  for (const token of ['viewer', 'operator', 'shop']) expect(await codesOf(token)).toEqual([status.NOT_FOUND, status.OK]);
  expect(await codesOf('consumer')).toEqual([status.PERMISSION_DENIED, status.PERMISSION_DENIED]);
  for (const token of ['', 'guess']) expect(await codesOf(token)).toEqual([status.UNAUTHENTICATED, status.UNAUTHENTICATED]);
  client.close();
  await service.stop();
});

it.each([
  [{ BIND_HOST: '0.0.0.0' }, /^BIND_HOST="0.0.0.0": without tokens only a loopback address.*OPC_TOKENS_FILE$/],
  [{ TPC_TOKEN_FILE: '/nowhere/token' }, /^TPC_TOKEN_FILE: ENOENT/],
])('does not start with %o, and names the setting', async (settings, line) => {
  const failure = await start(settings).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(StartError);
  expect((failure as Error).message).toMatch(line);
});
