import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { ReliableMessageServiceService } from '@tpc/gen/tpc/v1/reliable_message_service';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Certificate, createTestCa, type TestCa } from '../../../../test/support/network/certificates.ts';
import { connectTpc, type TpcConnection, type TpcError, tlsCredentials } from './index.ts';

const SERVER = { commonName: 'tpc', dns: ['localhost'] };
let dir: string;
let server: Server | undefined;
let connection: TpcConnection | undefined;
const file = (name: string) => join(dir, name);

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tpc-tls-'));
});
afterEach(() => {
  connection?.close();
  server?.forceShutdown();
  rmSync(dir, { recursive: true, force: true });
});

/** Any TPC: each call is answered UNIMPLEMENTED, which only who came through the handshake can hear. */
function listen({ cert, key }: Certificate, clientCa?: TestCa, port = 0): Promise<number> {
  server = new Server();
  const pair = [{ cert_chain: Buffer.from(cert), private_key: Buffer.from(key) }];
  server.addService(ReliableMessageServiceService, {});
  const credentials = ServerCredentials.createSsl(clientCa ? Buffer.from(clientCa.cert) : null, pair, clientCa !== undefined);
  return new Promise((resolve, reject) => {
    server?.bindAsync(`127.0.0.1:${port}`, credentials, (error, bound) => (error ? reject(error) : resolve(bound)));
  });
}

function writeClient({ cert, key }: Certificate): void {
  writeFileSync(file('client.pem'), cert);
  writeFileSync(file('client.key'), key);
}

const ask = async () =>
  (await connection?.confirmAndSendMessage({ producerGroup: 'g', messageKey: 'k' }, { deadlineMs: 3_000 }).catch((thrown) => thrown)) as TpcError;

async function untilHeard(): Promise<void> {
  await expect.poll(async () => (await ask()).status, { timeout: 15_000 }).toBe('UNIMPLEMENTED');
}

describe('TLS to TPC', () => {
  it('comes through with the CA of the server, also after both have been renewed without a restart', async () => {
    const [first, next] = [createTestCa(), createTestCa()];
    const port = await listen(first.issue(SERVER));
    writeFileSync(file('ca.pem'), first.cert);
    connection = connectTpc({ address: `localhost:${port}`, credentials: tlsCredentials({ caFile: file('ca.pem') }) });
    expect((await ask()).status).toBe('UNIMPLEMENTED');
    server?.forceShutdown();
    await listen(next.issue(SERVER), undefined, port);
    await expect.poll(async () => (await ask()).message, { timeout: 10_000 }).toMatch(/certificate|signature/);
    writeFileSync(file('ca.pem'), next.cert);
    await untilHeard();
  });

  it('takes a renewed client certificate for the next connection, and goes on with the old one while the new one is half written', async () => {
    const [ca, oldCa, newCa] = [createTestCa(), createTestCa('old CA'), createTestCa('new CA')];
    const serverPair = ca.issue(SERVER);
    const port = await listen(serverPair, oldCa);
    writeFileSync(file('ca.pem'), ca.cert);
    writeClient(oldCa.issue({ commonName: 'uac' }));
    const files = { caFile: file('ca.pem'), certFile: file('client.pem'), keyFile: file('client.key') };
    connection = connectTpc({ address: `localhost:${port}`, credentials: tlsCredentials(files) });
    await untilHeard();
    writeFileSync(file('client.pem'), 'half');
    server?.forceShutdown();
    await listen(serverPair, oldCa, port);
    await untilHeard();
    server?.forceShutdown();
    writeClient(newCa.issue({ commonName: 'uac' }));
    await listen(serverPair, newCa, port);
    await untilHeard();
  });

  it.each([
    ['an expired certificate', { ...SERVER, notAfter: new Date(Date.now() - 60_000) }, /certificate has expired/],
    ['one of another host', { commonName: 'tpc', dns: ['other.example'] }, /altnames/],
  ])('refuses %s, and the error says why', async (_, options, message) => {
    const ca = createTestCa();
    const port = await listen(ca.issue(options));
    writeFileSync(file('ca.pem'), ca.cert);
    connection = connectTpc({ address: `localhost:${port}`, credentials: tlsCredentials({ caFile: file('ca.pem') }) });
    expect(await ask()).toMatchObject({ status: 'UNAVAILABLE', message: expect.stringMatching(message), unavailable: true });
  });

  it('tells plain text from TLS', async () => {
    server = new Server();
    server.addService(ReliableMessageServiceService, {});
    const port = await new Promise<number>((resolve) =>
      server?.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (_, bound) => resolve(bound)),
    );
    writeFileSync(file('ca.pem'), createTestCa().cert);
    connection = connectTpc({ address: `localhost:${port}`, credentials: tlsCredentials({ caFile: file('ca.pem') }) });
    expect((await ask()).message).toMatch(/packet length|wrong version|SSL/i);
  });
});
