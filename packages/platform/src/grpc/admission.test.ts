import { connect } from 'node:http2';
import { type AddressInfo, connect as connectTcp, createServer } from 'node:net';
import { pipeline } from 'node:stream';
import { credentials, Server, ServerCredentials, type ServiceError, status } from '@grpc/grpc-js';
import { type HealthCheckResponse, HealthClient } from '@tpc/gen/grpc/health/v1/health';
import { afterEach, expect, it } from 'vitest';
import { start, target, useAccessKit, viewer, writeTokens } from '../../test/access-kit.ts';
import { OPEN_AUTHENTICATOR } from '../auth/authenticator.ts';
import { HealthEntries } from '../health/health-service.ts';
import { createAdmission } from './admission.ts';
import { bind } from './bind.ts';

useAccessKit();
const undo: (() => void)[] = [];
afterEach(() => {
  for (const step of undo.splice(0)) step();
});

it('refuses a stranger by the headers alone, before anything of the request is there', async () => {
  writeTokens(viewer());
  await start();
  const session = connect(`http://${target()}`);
  undo.push(() => session.destroy());
  const stream = session.request({
    ':method': 'POST',
    ':path': '/opc.v1.NotificationService/GetNotification',
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  // It stays open, and its message never comes.
  const headers = await new Promise<Record<string, unknown>>((resolve) => stream.once('response', resolve as never));
  expect(headers['grpc-status']).toBe(String(status.UNAUTHENTICATED));
});

/** A server that lets two streams of a method be open, and clients of it from any loopback address. */
async function startWithTwoPlaces() {
  const ignored = () => undefined;
  const { interceptor } = createAdmission({
    domain: 'x',
    authenticator: OPEN_AUTHENTICATOR,
    openTo: new Set(),
    onRefused: ignored,
    onAnswered: ignored,
    maxOpenStreams: 2,
  });
  const server = new Server({ interceptors: [interceptor] });
  const entries = new HealthEntries({ '': 'SERVING' });
  entries.addToServer(server);
  const port = await bind(server, { host: '127.0.0.1', port: 0, portSetting: 'X' }, ServerCredentials.createInsecure());
  undo.push(() => server.forceShutdown());
  const clientOf = async (localAddress: string) => {
    const relay = createServer((socket) => pipeline(socket, connectTcp({ port, host: '127.0.0.1', localAddress }), socket, () => undefined));
    await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve));
    const client = new HealthClient(`127.0.0.1:${(relay.address() as AddressInfo).port}`, credentials.createInsecure());
    undo.push(() => {
      client.close();
      relay.close();
    });
    return client;
  };
  const watch = (client: HealthClient) => {
    const stream = client.watch({ service: '' });
    const codes: number[] = [];
    const first = new Promise<number>((resolve) => {
      stream.on('data', ({ status: state }: HealthCheckResponse) => resolve(state));
      stream.on('error', ({ code }: ServiceError) => {
        codes.push(code);
        resolve(-code);
      });
    });
    return { stream, first, codes };
  };
  return { entries, clientOf, watch };
}

it('bounds the streams that are open at once, and takes others when some have ended', async () => {
  const { clientOf, watch } = await startWithTwoPlaces();
  const client = await clientOf('127.0.0.1');
  const held = [watch(client), watch(client)];
  expect(await Promise.all(held.map(({ first }) => first))).toEqual([1, 1]);
  expect(await watch(client).first).toBe(-status.RESOURCE_EXHAUSTED);
  held[0]?.stream.cancel();
  await expect.poll(() => watch(client).first).toBe(1);
});

it('gives somebody else the place of one who holds them all, whose other streams and questions go on', async () => {
  const { entries, clientOf, watch } = await startWithTwoPlaces();
  const [stranger, probe] = [await clientOf('127.0.0.1'), await clientOf('127.0.0.2')];
  const held = [watch(stranger), watch(stranger)];
  expect(await Promise.all(held.map(({ first }) => first))).toEqual([1, 1]);
  const probing = watch(probe);
  expect(await probing.first).toBe(1);
  await expect.poll(() => held[1]?.codes).toEqual([status.RESOURCE_EXHAUSTED]);
  const later = new Promise<number>((resolve) => held[0]?.stream.once('data', ({ status: state }: HealthCheckResponse) => resolve(state)));
  entries.setStatus('', 'NOT_SERVING');
  expect(await later).toBe(2);
  // Each has one place now: no more is to be had by asking again.
  expect(await watch(stranger).first).toBe(-status.RESOURCE_EXHAUSTED);
  const check = new Promise<number | undefined>((resolve) => stranger.check({ service: '' }, (_, answer) => resolve(answer?.status)));
  expect(await check).toBe(2);
});
