import { writeFileSync } from 'node:fs';
import { credentials, status } from '@grpc/grpc-js';
import { HealthClient } from '@tpc/gen/grpc/health/v1/health';
import { describe, expect, it } from 'vitest';
import { type Certificate, createTestCa } from '../../../../test/support/network/certificates.ts';
import { until } from '../../../../test/support/until.ts';
import {
  call,
  file,
  kit,
  logged,
  server1,
  start,
  target,
  tlsClient,
  useAccessKit,
  VIEWER,
  viewer,
  writeTls,
  writeTokens,
} from '../../test/access-kit.ts';

useAccessKit();

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
    expect(kit.seen[0]?.caller).toEqual({ kind: 'operator', name: 'ada', role: 'viewer' });
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
    expect(kit.seen).toEqual([]);
    expect(logged(`"reason":"${reason}"`)).toBe(true);
    if (reason === 'CERTIFICATE_REFUSED') expect((await call(tlsClient(serverCa.cert, own), `Bearer ${VIEWER}`)).reason).toBe(reason);
  });

  it('breaks off with a forged certificate, and the log says it', async () => {
    await startMutual(subject('CN=ada'));
    expect((await call(tlsClient(serverCa.cert, clientCa.forge(ada)))).code).toBe(status.UNAVAILABLE);
    expect(kit.seen).toEqual([]);
    await until('the log tells of it', () => logged('ERR_SSL_'));
  });

  it('ends the call and the right of a certificate whose subject is removed', async () => {
    await startMutual(subject('CN=ada'));
    const client = tlsClient(serverCa.cert, clientCa.issue(ada));
    const begun = Promise.withResolvers<void>();
    kit.work = async ({ signal }) => {
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
    await kit.server?.reload?.();
    expect((await call(tlsClient(serverCa.cert, clientCa.issue(ada)))).reason).toBe('CERTIFICATE_REFUSED');
    expect((await call(tlsClient(serverCa.cert, next.issue(ada)))).code).toBe(status.OK);
  });

  it('leaves the health open, for probes that have no certificate', async () => {
    await startMutual();
    const health = new HealthClient(target(), credentials.createSsl(Buffer.from(serverCa.cert)));
    kit.clients.push(health);
    expect(await new Promise((resolve) => health.check({ service: '' }, (error, response) => resolve(error ?? response.status)))).toBe(1);
  });

  it('refuses to start without a tokens file: no certificate could mean anybody', async () => {
    writeFileSync(file('client-ca.pem'), clientCa.cert);
    const tls = { ...writeTls('server', serverCa.issue(server1)), TLS_CLIENT_CA_FILE: file('client-ca.pem') };
    await expect(start({ tokensFile: undefined, tls })).rejects.toThrow(/^TLS_CLIENT_CA_FILE: needs OPC_TOKENS_FILE/);
  });
});
