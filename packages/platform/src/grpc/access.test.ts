import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ChannelCredentials, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { Status } from '@tpc/gen/google/rpc/status';
import { HealthClient } from '@tpc/gen/grpc/health/v1/health';
import { ServerReflectionClient } from '@tpc/gen/grpc/reflection/v1/reflection';
import { NotificationServiceClient, NotificationServiceService } from '@tpc/gen/opc/v1/notification_service';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Certificate, createTestCa } from '../../../../test/support/certificates.ts';
import type { AccessOptions } from '../auth/access.ts';
import { guard, needs } from '../auth/rules.ts';
import { hashToken } from '../auth/tokens.ts';
import { StartError } from '../errors.ts';
import { createLog } from '../log.ts';
import { type GrpcServer, serve, startGrpcServer } from './grpc-server.ts';
import { readRpcStatus } from './status-details.ts';
import type { CallContext } from './unary.ts';

const VIEWER = 'tpc_the-token-of-a-viewer';
const PRODUCER = 'tpc_the-token-of-a-producer';
const DEADLINE_MS = 10_000;

let dir: string;
let lines: string[];
let server: GrpcServer | undefined;
let seen: CallContext[];
let work: (context: CallContext) => Promise<void>;
let clients: { close(): void }[];
const file = (name: string) => join(dir, name);
const log = () => createLog({ service: 'opc', level: 'trace', format: 'json' }, { write: (line) => void lines.push(line) });

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tpc-access-'));
  lines = [];
  seen = [];
  clients = [];
  work = async () => undefined;
});
afterEach(async () => {
  for (const client of clients) client.close();
  await server?.stop();
  server = undefined;
  rmSync(dir, { recursive: true, force: true });
});

const sha256 = (token: string) => hashToken(token).toString('hex');
const viewer = (more: object = { sha256: sha256(VIEWER) }) => ({ kind: 'operator', name: 'ada', role: 'viewer', ...more });
const producer = { kind: 'producer', group: 'PID_A', sha256: sha256(PRODUCER) };
const writeTokens = (...entries: object[]) => writeFileSync(file('tokens.json'), JSON.stringify({ entries }));

async function start(options: { host?: string; tls?: AccessOptions['tls']; tokensFile?: string | undefined } = {}): Promise<GrpcServer> {
  const { host = '127.0.0.1', tls = {} } = options;
  const tokensFile = 'tokensFile' in options ? options.tokensFile : file('tokens.json');
  const handlers = guard(
    {
      getNotification: async (_request: unknown, context: CallContext) => {
        seen.push(context);
        await work(context);
        return { notification: undefined, effects: [] };
      },
      listNotifications: async () => ({ notifications: [], nextPageToken: '' }),
    },
    () => needs('viewer'),
  );
  const access = { tokensSetting: 'OPC_TOKENS_FILE', tokensFile, tls };
  const common = { host, port: 0, portSetting: 'OPC_GRPC_PORT', domain: 'opc', log: log() };
  server = await startGrpcServer({ ...common, access, services: [serve(NotificationServiceService, handlers)] });
  server.setHealth('', true);
  return server;
}

const target = () => `localhost:${server?.port}`;

function open(channel: ChannelCredentials = credentials.createInsecure()): NotificationServiceClient {
  const client = new NotificationServiceClient(target(), channel);
  clients.push(client);
  return client;
}

type Answer = { code: status; reason: string; details: string };

function call(client: NotificationServiceClient, authorization?: string): Promise<Answer> {
  const metadata = new Metadata();
  if (authorization !== undefined) metadata.set('authorization', authorization);
  return new Promise((resolve) => {
    client.getNotification({ messageKey: 'k' }, metadata, { deadline: Date.now() + DEADLINE_MS }, (error) => resolve(answerOf(error)));
  });
}

function answerOf(error: ServiceError | null): Answer {
  if (!error) return { code: status.OK, reason: '', details: '' };
  const [bytes] = error.metadata.get('grpc-status-details-bin');
  const reason = bytes === undefined ? '' : (readRpcStatus(Status.decode(bytes as Buffer)).info?.reason ?? '');
  return { code: error.code, reason, details: error.details };
}

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`not so in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const logged = (text: string) => lines.some((line) => line.includes(text));

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
    expect(seen).toEqual([]);
    expect(logged(`"reason":"${reason}","method":"getNotification"`)).toBe(true);
    for (const secret of [VIEWER, PRODUCER, 'tpc_guess', sha256(VIEWER)]) expect(`${lines.join('')} ${JSON.stringify(answer)}`).not.toContain(secret);
  });

  it('lets the right token in, and tells the handler who it is but not the token', async () => {
    writeTokens(viewer());
    await start();
    expect((await call(open(), `Bearer ${VIEWER}`)).code).toBe(status.OK);
    expect(seen[0]?.caller).toEqual({ kind: 'operator', name: 'ada', role: 'viewer' });
    expect(JSON.stringify(seen[0])).not.toContain(VIEWER);
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

  it('leaves health and reflection open', async () => {
    writeTokens();
    await start();
    const health = new HealthClient(target(), credentials.createInsecure());
    const reflection = new ServerReflectionClient(target(), credentials.createInsecure());
    clients.push(health, reflection);
    expect(await new Promise((resolve) => health.check({ service: '' }, (error, response) => resolve(error ?? response.status)))).toBe(1);
    const list = await new Promise((resolve, reject) => {
      const stream = reflection.serverReflectionInfo();
      stream.on('data', resolve).on('error', reject);
      stream.write({ host: '', listServices: '' } as never);
      stream.end();
    });
    expect(JSON.stringify(list)).toContain('opc.v1.NotificationService');
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
    await server?.reload?.();
    expect((await call(client, `Bearer ${VIEWER}`)).reason).toBe('TOKEN_UNKNOWN');
  });

  it('ends a long poll whose token is removed: its signal comes, and what it found is not told', async () => {
    writeTokens(viewer());
    await start();
    const begun = Promise.withResolvers<void>();
    work = async ({ signal }) => {
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
    await server?.reload?.();
    expect((await call(open(), `Bearer ${VIEWER}`)).code).toBe(status.OK);
    expect(logged('OPC_TOKENS_FILE: not JSON')).toBe(true);
    expect(lines.join('')).not.toContain(PRODUCER);
  });
});

describe('without tokens', () => {
  it('allows everything on loopback, and says so', async () => {
    await start({ tokensFile: undefined });
    expect((await call(open())).code).toBe(status.OK);
    expect(seen[0]?.caller).toEqual({ kind: 'anyone' });
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

function writeTls(name: string, { cert, key }: Certificate): { TLS_CERT_FILE: string; TLS_KEY_FILE: string } {
  writeFileSync(file(`${name}.pem`), cert);
  writeFileSync(file(`${name}.key`), key);
  return { TLS_CERT_FILE: file(`${name}.pem`), TLS_KEY_FILE: file(`${name}.key`) };
}

const server1 = { commonName: 'tpc', dns: ['localhost'] };
const tlsClient = (caCert: string, own?: Certificate) =>
  open(credentials.createSsl(Buffer.from(caCert), own && Buffer.from(own.key), own && Buffer.from(own.cert)));

describe('TLS', () => {
  it('serves who trusts its CA; others learn why they cannot, and the log says it', async () => {
    const ca = createTestCa();
    writeTokens(viewer());
    await start({ tls: writeTls('server', ca.issue(server1)) });
    expect((await call(tlsClient(ca.cert), `Bearer ${VIEWER}`)).code).toBe(status.OK);
    const foreign = await call(tlsClient(createTestCa('other CA').cert), `Bearer ${VIEWER}`);
    expect(foreign).toMatchObject({ code: status.UNAVAILABLE, details: expect.stringMatching(/certificate/) });
    await until('the log tells of the handshake', () => logged('TLS handshake failed'));
  });

  it('a client in plain text gets no word out of it, and the log says so', async () => {
    writeTokens(viewer());
    await start({ tls: writeTls('server', createTestCa().issue(server1)) });
    expect((await call(open(), `Bearer ${VIEWER}`)).code).toBe(status.UNAVAILABLE);
    await until('the log tells of the handshake', () => logged('TLS handshake failed'));
    const socket = connect(server?.port as number, '127.0.0.1');
    const heard = await new Promise<string>((resolve) => {
      let text = '';
      socket.on('data', (data) => {
        text += data.toString('latin1');
      });
      socket.on('close', () => resolve(text));
      socket.on('error', () => undefined);
      socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
    });
    expect(heard).not.toContain('HTTP/');
    expect(seen).toEqual([]);
  });

  it('a client refuses an expired certificate with that reason; a renewed one is taken without a restart', async () => {
    const ca = createTestCa();
    writeTokens(viewer());
    await start({ tls: writeTls('server', ca.issue({ ...server1, notAfter: new Date(Date.now() - 60_000) })) });
    expect(await call(tlsClient(ca.cert), `Bearer ${VIEWER}`)).toMatchObject({
      code: status.UNAVAILABLE,
      details: expect.stringMatching(/certificate has expired/),
    });
    expect(logged('the certificate in TLS_CERT_FILE has expired')).toBe(true);
    writeTls('server', ca.issue(server1));
    await server?.reload?.();
    expect((await call(tlsClient(ca.cert), `Bearer ${VIEWER}`)).code).toBe(status.OK);
  });

  it('goes on with the old certificate while the new one does not fit its key', async () => {
    const ca = createTestCa();
    writeTokens(viewer());
    const tls = writeTls('server', ca.issue(server1));
    await start({ tls });
    writeFileSync(tls.TLS_CERT_FILE, ca.issue(server1).cert);
    await server?.reload?.();
    expect((await call(tlsClient(ca.cert), `Bearer ${VIEWER}`)).code).toBe(status.OK);
    expect(logged('the key is not that of the certificate')).toBe(true);
  });

  it.each([
    [{ TLS_CERT_FILE: 'server.pem' }, /^TLS_KEY_FILE: needed with TLS_CERT_FILE/],
    [{ TLS_KEY_FILE: 'server.key' }, /^TLS_CERT_FILE: needed with TLS_KEY_FILE/],
    [{ TLS_CLIENT_CA_FILE: 'ca.pem' }, /^TLS_CERT_FILE: needed with TLS_CLIENT_CA_FILE/],
    [{ TLS_CERT_FILE: 'none.pem', TLS_KEY_FILE: 'server.key' }, /^TLS_CERT_FILE: cannot read .*: ENOENT/],
    [{ TLS_CERT_FILE: 'server.key', TLS_KEY_FILE: 'server.key' }, /^TLS_CERT_FILE, TLS_KEY_FILE: the certificate is not in PEM form/],
    [{ TLS_CERT_FILE: 'server.pem', TLS_KEY_FILE: 'other.key' }, /^TLS_CERT_FILE, TLS_KEY_FILE: the key is not that of the certificate/],
  ])('refuses to start with %o, and names the setting', async (tls, line) => {
    const ca = createTestCa();
    writeTls('server', ca.issue(server1));
    writeTls('other', ca.issue(server1));
    writeFileSync(file('ca.pem'), ca.cert);
    writeTokens(viewer());
    const named = Object.fromEntries(Object.entries(tls).map(([setting, name]) => [setting, file(name as string)]));
    await expect(start({ tls: named })).rejects.toThrow(line);
  });
});

describe('mTLS', () => {
  const serverCa = createTestCa('server CA');
  const clientCa = createTestCa('client CA');
  const subject = (text: string) => viewer({ subject: text });

  async function startMutual(...entries: object[]): Promise<void> {
    writeTokens(...entries);
    writeFileSync(file('client-ca.pem'), clientCa.cert);
    await start({ tls: { ...writeTls('server', serverCa.issue(server1)), TLS_CLIENT_CA_FILE: file('client-ca.pem') } });
  }

  it.each([
    ['CN=ada', { commonName: 'ada' }],
    ['URI=spiffe://house/ada', { commonName: 'x', uris: ['spiffe://house/ada'] }],
  ])('knows a caller by %s, without a token', async (name, options) => {
    await startMutual(subject(name));
    expect((await call(tlsClient(serverCa.cert, clientCa.issue(options)))).code).toBe(status.OK);
    expect(seen[0]?.caller).toEqual({ kind: 'operator', name: 'ada', role: 'viewer' });
  });

  const ada = { commonName: 'ada' };
  it.each<[string, Certificate | undefined, string, RegExp]>([
    ['no certificate', undefined, 'CERTIFICATE_REFUSED', /none was sent/],
    ['an expired certificate', clientCa.issue({ ...ada, notAfter: new Date(Date.now() - 60_000) }), 'CERTIFICATE_REFUSED', /it has expired/],
    ['one that is not valid yet', clientCa.issue({ ...ada, notBefore: new Date(Date.now() + 3_600_000) }), 'CERTIFICATE_REFUSED', /not valid yet/],
    ['one of another CA of the same name', createTestCa('client CA').issue(ada), 'CERTIFICATE_REFUSED', /CA that this server does not know/],
    ["one of the server's CA", serverCa.issue(ada), 'CERTIFICATE_REFUSED', /CA that this server does not know/],
    ['one of nobody', clientCa.issue({ commonName: 'eve' }), 'CERTIFICATE_UNKNOWN', /\(CN=eve\)/],
    ['a DNS name that reads like a URI', clientCa.issue({ commonName: 'eve', dns: ['x, URI:spiffe://house/ada'] }), 'CERTIFICATE_UNKNOWN', /CN=eve/],
  ])('refuses %s: the client learns why, and the log says it', async (_, own, reason, details) => {
    await startMutual(subject('CN=ada'), subject('URI=spiffe://house/ada'), viewer());
    const answer = await call(tlsClient(serverCa.cert, own));
    expect(answer).toMatchObject({ code: status.UNAUTHENTICATED, reason, details: expect.stringMatching(details) });
    expect(seen).toEqual([]);
    expect(logged(`"reason":"${reason}"`)).toBe(true);
    if (reason === 'CERTIFICATE_REFUSED') expect((await call(tlsClient(serverCa.cert, own), `Bearer ${VIEWER}`)).reason).toBe(reason);
  });

  it('breaks off with a forged certificate, and the log says it', async () => {
    await startMutual(subject('CN=ada'));
    expect((await call(tlsClient(serverCa.cert, clientCa.forge(ada)))).code).toBe(status.UNAVAILABLE);
    expect(seen).toEqual([]);
    await until('the log tells of it', () => logged('ERR_SSL_'));
  });

  it('ends the call and the right of a certificate whose subject is removed', async () => {
    await startMutual(subject('CN=ada'));
    const client = tlsClient(serverCa.cert, clientCa.issue(ada));
    const begun = Promise.withResolvers<void>();
    work = async ({ signal }) => {
      begun.resolve();
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
    };
    const answer = call(client);
    await begun.promise;
    writeTokens();
    expect(await answer).toMatchObject({ reason: 'CERTIFICATE_UNKNOWN' });
    expect(await call(client)).toMatchObject({ reason: 'CERTIFICATE_UNKNOWN' });
  });

  it('refuses a certificate that expires while its connection stands', async () => {
    await startMutual(subject('CN=ada'));
    const client = tlsClient(serverCa.cert, clientCa.issue({ ...ada, notAfter: new Date(Date.now() + 3_000) }));
    expect((await call(client)).code).toBe(status.OK);
    await until('it is refused', async () => (await call(client)).reason === 'CERTIFICATE_REFUSED');
  });

  it('takes another client CA without a restart', async () => {
    await startMutual(subject('CN=ada'));
    const next = createTestCa('next CA');
    writeFileSync(file('client-ca.pem'), next.cert);
    await server?.reload?.();
    expect((await call(tlsClient(serverCa.cert, clientCa.issue(ada)))).reason).toBe('CERTIFICATE_REFUSED');
    expect((await call(tlsClient(serverCa.cert, next.issue(ada)))).code).toBe(status.OK);
  });

  it('leaves the health open, for probes that have no certificate', async () => {
    await startMutual();
    const health = new HealthClient(target(), credentials.createSsl(Buffer.from(serverCa.cert)));
    clients.push(health);
    expect(await new Promise((resolve) => health.check({ service: '' }, (error, response) => resolve(error ?? response.status)))).toBe(1);
  });

  it('refuses to start without a tokens file: no certificate could mean anybody', async () => {
    writeFileSync(file('client-ca.pem'), clientCa.cert);
    const tls = { ...writeTls('server', serverCa.issue(server1)), TLS_CLIENT_CA_FILE: file('client-ca.pem') };
    await expect(start({ tokensFile: undefined, tls })).rejects.toThrow(/^TLS_CLIENT_CA_FILE: needs OPC_TOKENS_FILE/);
  });
});
