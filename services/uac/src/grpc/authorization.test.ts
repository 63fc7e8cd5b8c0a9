import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { Status } from '@tpc/gen/google/rpc/status';
import { UserServiceService } from '@tpc/gen/uac/v1/user_service';
import { hashToken, readRpcStatus } from '@tpc/platform';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openServiceKit, type ServiceKit } from '../../test/service-kit.ts';

let kit: ServiceKit;
let client: Client;
const METHODS = Object.entries(UserServiceService).map(([name, { path }]) => [name, path] as const);

beforeEach(async () => {
  kit = await openServiceKit();
  const file = join(kit.dir, 'tokens.json');
  const entry = (token: string, who: object) => ({ ...who, sha256: hashToken(token).toString('hex') });
  const entries = [
    entry('shop', { kind: 'service', name: 'shop' }),
    entry('viewer', { kind: 'operator', name: 'ada', role: 'viewer' }),
    entry('operator', { kind: 'operator', name: 'bob', role: 'operator' }),
    entry('producer', { kind: 'producer', group: 'PID_UAC' }),
  ];
  writeFileSync(file, JSON.stringify({ entries }));
  const { grpcPort } = await kit.start({ UAC_TOKENS_FILE: file });
  client = new Client(`127.0.0.1:${grpcPort}`, credentials.createInsecure());
});
afterEach(async () => {
  client.close();
  await kit.drop();
});

/** Reason of the refusal of an empty request. */
function reasonOf(path: string, token: string | undefined): Promise<string> {
  const metadata = new Metadata();
  if (token !== undefined) metadata.set('authorization', `Bearer ${token}`);
  const same = (bytes: Buffer) => bytes;
  return new Promise((resolve) => {
    client.makeUnaryRequest(path, same, same, Buffer.alloc(0), metadata, (error: ServiceError | null) => {
      const [details] = error?.metadata.get('grpc-status-details-bin') ?? [];
      const reason = details === undefined ? 'answered' : (readRpcStatus(Status.decode(details as Buffer)).info?.reason ?? '');
      resolve(`${status[error?.code ?? status.OK]} ${reason}`);
    });
  });
}

it.each(METHODS)('%s is for services and operators alone', async (_, path) => {
  expect(await reasonOf(path, undefined)).toBe('UNAUTHENTICATED TOKEN_MISSING');
  expect(await reasonOf(path, 'guess')).toBe('UNAUTHENTICATED TOKEN_UNKNOWN');
  for (const token of ['viewer', 'producer']) expect(await reasonOf(path, token)).toBe('PERMISSION_DENIED ROLE_NEEDED');
  for (const token of ['shop', 'operator']) expect(await reasonOf(path, token)).not.toMatch(/TOKEN_|ROLE_NEEDED/);
});
