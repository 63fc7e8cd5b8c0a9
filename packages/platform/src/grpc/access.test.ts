import { writeFileSync } from 'node:fs';
import { credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { HealthClient } from '@tpc/gen/grpc/health/v1/health';
import { ServerReflectionClient } from '@tpc/gen/grpc/reflection/v1/reflection';
import { describe, expect, it } from 'vitest';
import { createTestCa } from '../../../../test/support/network/certificates.ts';
import { until } from '../../../../test/support/until.ts';
import {
  type Answer,
  answerOf,
  call,
  file,
  kit,
  logged,
  open,
  PRODUCER,
  producer,
  sha256,
  start,
  target,
  useAccessKit,
  VIEWER,
  viewer,
  writeTls,
  writeTokens,
} from '../../test/access-kit.ts';
import { StartError } from '../errors.ts';

useAccessKit();

describe('tokens', () => {
  it.each([
    ['no token', undefined, status.UNAUTHENTICATED, 'TOKEN_MISSING'],
    ['an unknown token', 'Bearer tpc_guess', status.UNAUTHENTICATED, 'TOKEN_UNKNOWN'],
    ['another scheme', `Basic ${VIEWER}`, status.UNAUTHENTICATED, 'TOKEN_MALFORMED'],
    ['a bare token', VIEWER, status.UNAUTHENTICATED, 'TOKEN_MALFORMED'],
    ['a token behind another', `Bearer x, Bearer ${VIEWER}`, status.UNAUTHENTICATED, 'TOKEN_MALFORMED'],
    ['the hash of the token', `Bearer ${sha256(VIEWER)}`, status.UNAUTHENTICATED, 'TOKEN_UNKNOWN'],
    ['a token in capitals', `Bearer ${VIEWER.toUpperCase()}`, status.UNAUTHENTICATED, 'TOKEN_UNKNOWN'],
    ['a token without the right', `Bearer ${PRODUCER}`, status.PERMISSION_DENIED, 'ROLE_NEEDED'],
  ])('refuses %s; the handler never hears of it, and the log holds no token', async (_, authorization, code, reason) => {
    writeTokens(viewer(), producer);
    await start();
    const answer = await call(open(), authorization);
    expect([answer.code, answer.reason]).toEqual([code, reason]);
    expect(kit.seen).toEqual([]);
    expect(logged(`"reason":"${reason}","method":"getNotification"`)).toBe(true);
    for (const secret of [VIEWER, PRODUCER, 'tpc_guess', sha256(VIEWER)])
      expect(`${kit.lines.join('')} ${JSON.stringify(answer)}`).not.toContain(secret);
  });

  it('lets the right token in, and tells the handler who it is but not the token', async () => {
    writeTokens(viewer());
    await start();
    expect((await call(open(), `Bearer ${VIEWER}`)).code).toBe(status.OK);
    expect(kit.seen[0]?.caller).toEqual({ kind: 'operator', name: 'ada', role: 'viewer' });
    expect(JSON.stringify(kit.seen[0])).not.toContain(VIEWER);
  });

  it('refuses before it reads: a malformed request of a stranger is answered UNAUTHENTICATED', async () => {
    writeTokens(viewer());
    await start();
    const answer = await new Promise<Answer>((resolve) => {
      open().makeUnaryRequest(
        '/opc.v1.NotificationService/GetNotification',
        (value: Buffer) => value,
        (value: Buffer) => value,
        Buffer.from([0x0a, 0xff]),
        (error) => resolve(answerOf(error)),
      );
    });
    expect(answer.reason).toBe('TOKEN_MISSING');
  });

  it.each([
    ['token', undefined, 'TOKEN_MISSING'],
    ['token', 'tpc_guess', 'TOKEN_UNKNOWN'],
    ['token', VIEWER, 'opc.v1.NotificationService'],
    ['open', undefined, 'opc.v1.NotificationService'],
  ] as const)('leaves health open; reflection set to %s answers a caller with %s by %s', async (reflection, token, answer) => {
    writeTokens(viewer());
    await start({ reflection });
    const health = new HealthClient(target(), credentials.createInsecure());
    const client = new ServerReflectionClient(target(), credentials.createInsecure());
    kit.clients.push(health, client);
    expect(await new Promise((resolve) => health.check({ service: '' }, (error, response) => resolve(error ?? response.status)))).toBe(1);
    const metadata = new Metadata();
    if (token !== undefined) metadata.set('authorization', `Bearer ${token}`);
    const said = await new Promise((resolve) => {
      const stream = client.serverReflectionInfo(metadata);
      stream.on('data', resolve).on('error', (error: ServiceError) => resolve(answerOf(error)));
      stream.write({ host: '', listServices: '' } as never);
      stream.end();
    });
    expect(JSON.stringify(said)).toContain(answer);
  });

  it('says at the start that nobody may call where the file has no entry', async () => {
    writeTokens();
    await start();
    expect(logged('nobody may call')).toBe(true);
  });

  it('takes a new token and refuses a removed one while it runs', async () => {
    writeTokens(viewer());
    await start();
    const client = open();
    writeTokens(viewer(), viewer({ sha256: sha256('new') }));
    await until('the new token is taken', async () => (await call(client, 'Bearer new')).code === status.OK);
    expect((await call(client, `Bearer ${VIEWER}`)).code).toBe(status.OK);
    writeTokens(viewer({ sha256: sha256('new') }));
    await kit.server?.reload?.();
    expect((await call(client, `Bearer ${VIEWER}`)).reason).toBe('TOKEN_UNKNOWN');
  });

  it('ends a long poll whose token is removed: its signal comes, and what it found is not told', async () => {
    writeTokens(viewer());
    await start();
    const begun = Promise.withResolvers<void>();
    kit.work = async ({ signal }) => {
      begun.resolve();
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
    };
    const answer = call(open(), `Bearer ${VIEWER}`);
    await begun.promise;
    writeTokens();
    expect(await answer).toMatchObject({ code: status.UNAUTHENTICATED, reason: 'TOKEN_UNKNOWN' });
  });

  it('keeps what it knows when the file becomes unreadable, and says so without quoting it', async () => {
    writeTokens(viewer());
    await start();
    writeFileSync(file('tokens.json'), `{"entries": [ ${PRODUCER}`);
    await kit.server?.reload?.();
    expect((await call(open(), `Bearer ${VIEWER}`)).code).toBe(status.OK);
    expect(logged('OPC_TOKENS_FILE: not JSON')).toBe(true);
    expect(kit.lines.join('')).not.toContain(PRODUCER);
  });
});

describe('without tokens', () => {
  it('allows everything on loopback, and says so', async () => {
    await start({ tokensFile: undefined });
    expect((await call(open())).code).toBe(status.OK);
    expect(kit.seen[0]?.caller).toEqual({ kind: 'anyone' });
    expect(logged('no tokens are configured: everybody on this machine may call everything')).toBe(true);
  });

  it.each(['0.0.0.0', '::', '192.0.2.1'])('refuses to listen on %s', async (host) => {
    await expect(start({ host, tokensFile: undefined })).rejects.toThrow(
      new StartError(
        `BIND_HOST="${host}": without tokens only a loopback address (127.0.0.1, ::1, localhost) is allowed; make tokens by "npm run tokens" and set OPC_TOKENS_FILE`,
      ),
    );
  });

  it('TLS alone opens no other address', async () => {
    const tls = writeTls('server', createTestCa().issue({ commonName: 'tpc' }));
    await expect(start({ host: '0.0.0.0', tokensFile: undefined, tls })).rejects.toThrow(/^BIND_HOST="0.0.0.0"/);
  });

  it('with tokens listens anywhere, and warns where they travel in plain text', async () => {
    writeTokens(viewer());
    await start({ host: '0.0.0.0' });
    expect((await call(open())).reason).toBe('TOKEN_MISSING');
    expect(logged('tokens and messages travel in plain text')).toBe(true);
  });
});
