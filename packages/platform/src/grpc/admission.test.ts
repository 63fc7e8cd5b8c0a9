import { connect } from 'node:http2';
import { credentials, Server, ServerCredentials, type ServiceError, status } from '@grpc/grpc-js';
import { type HealthCheckResponse, HealthClient } from '@tpc/gen/grpc/health/v1/health';
import { afterEach, expect, it } from 'vitest';
import { start, target, useAccessKit, viewer, writeTokens } from '../../test/access-kit.ts';
import { OPEN_GATE } from '../auth/gate.ts';
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

it('bounds the streams that are open at once, and takes others when some have ended', async () => {
  const ignored = () => undefined;
  const { interceptor } = createAdmission({
    domain: 'x',
    gate: OPEN_GATE,
    openTo: new Set(),
    onRefused: ignored,
    onAnswered: ignored,
    maxOpenStreams: 2,
  });
  const server = new Server({ interceptors: [interceptor] });
  new HealthEntries({ '': 'SERVING' }).addToServer(server);
  const port = await bind(server, { host: '127.0.0.1', port: 0, portSetting: 'X' }, ServerCredentials.createInsecure());
  const client = new HealthClient(`127.0.0.1:${port}`, credentials.createInsecure());
  undo.push(
    () => client.close(),
    () => server.forceShutdown(),
  );
  const watch = () => {
    const stream = client.watch({ service: '' });
    const first = new Promise<number>((resolve) => {
      stream.on('data', ({ status: state }: HealthCheckResponse) => resolve(state));
      stream.on('error', ({ code }: ServiceError) => resolve(-code));
    });
    return { stream, first };
  };
  const held = [watch(), watch()];
  expect(await Promise.all(held.map(({ first }) => first))).toEqual([1, 1]);
  expect(await watch().first).toBe(-status.RESOURCE_EXHAUSTED);
  held[0]?.stream.cancel();
  await expect.poll(() => watch().first).toBe(1);
});
