import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { status } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { createTestCa } from '../../../../test/support/network/certificates.ts';
import { until } from '../../../../test/support/until.ts';
import {
  call,
  file,
  kit,
  logged,
  open,
  server1,
  start,
  tlsClient,
  useAccessKit,
  VIEWER,
  viewer,
  writeTls,
  writeTokens,
} from '../../test/access-kit.ts';

useAccessKit();

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
    const socket = connect(kit.server?.port as number, '127.0.0.1');
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
    expect(kit.seen).toEqual([]);
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
    await kit.server?.reload?.();
    expect((await call(tlsClient(ca.cert), `Bearer ${VIEWER}`)).code).toBe(status.OK);
  });

  it('goes on with the old certificate while the new one does not fit its key', async () => {
    const ca = createTestCa();
    writeTokens(viewer());
    const tls = writeTls('server', ca.issue(server1));
    await start({ tls });
    writeFileSync(tls.TLS_CERT_FILE, ca.issue(server1).cert);
    await kit.server?.reload?.();
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
