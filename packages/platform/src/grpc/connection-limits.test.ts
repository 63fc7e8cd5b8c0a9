import { type ClientHttp2Session, connect } from 'node:http2';
import { connect as connectTcp } from 'node:net';
import { credentials, Server, ServerCredentials, status } from '@grpc/grpc-js';
import { HealthClient } from '@tpc/gen/grpc/health/v1/health';
import { afterEach, expect, it } from 'vitest';
import { HealthEntries } from '../health/health-service.ts';
import { createLog } from '../log/log.ts';
import { bind } from './bind.ts';
import { type ConnectionLimits, limitConnections, listenersOf } from './connection-limits.ts';
import { startGrpcServer } from './grpc-server.ts';

const undo: (() => void)[] = [];
afterEach(() => {
  for (const step of undo.splice(0).reverse()) step();
});

async function start(limits: ConnectionLimits) {
  const server = new Server();
  new HealthEntries({ '': 'SERVING' }).addToServer(server);
  const port = await bind(server, { host: '127.0.0.1', port: 0, portSetting: 'X' }, ServerCredentials.createInsecure());
  const refused: string[] = [];
  limitConnections(server, limits, ({ limit, address }) => void refused.push(`${limit} ${address}`));
  undo.push(() => server.forceShutdown());
  return { server, port, refused, open: opener(port) };
}

/** Whether a connection from an address is served: the server's settings come, or it is closed. */
function opener(port: number) {
  return (localAddress: string) => {
    const session: ClientHttp2Session = connect(`http://127.0.0.1:${port}`, {
      createConnection: () => connectTcp({ port, host: '127.0.0.1', localAddress }),
    });
    undo.push(() => session.destroy());
    session.on('error', () => undefined);
    return new Promise<ClientHttp2Session | 'closed'>((resolve) => {
      session.once('remoteSettings', () => resolve(session));
      session.once('close', () => resolve('closed'));
    });
  };
}

const OWN = 'GRPC_MAX_CONNECTIONS_PER_ADDRESS';

it('closes what one address opens beyond its limit, and takes others', async () => {
  const { open, refused } = await start({ GRPC_MAX_CONNECTIONS: 10, GRPC_MAX_CONNECTIONS_PER_ADDRESS: 2 });
  const first = await open('127.0.0.1');
  expect([first, await open('127.0.0.1')]).not.toContain('closed');
  expect(await open('127.0.0.1')).toBe('closed');
  expect(await open('127.0.0.2')).not.toBe('closed');
  expect(refused).toEqual([`${OWN} 127.0.0.1`]);
  (first as ClientHttp2Session).destroy();
  await expect.poll(() => open('127.0.0.1')).not.toBe('closed');
});

it('closes what comes beyond the limit of all; 0 is no limit for one address', async () => {
  const { open, port, refused } = await start({ GRPC_MAX_CONNECTIONS: 3, GRPC_MAX_CONNECTIONS_PER_ADDRESS: 0 });
  for (const address of ['127.0.0.1', '127.0.0.1', '127.0.0.1']) expect(await open(address)).not.toBe('closed');
  expect(await open('127.0.0.2')).toBe('closed');
  expect(refused).toEqual(['GRPC_MAX_CONNECTIONS 127.0.0.2']);
  const client = new HealthClient(`127.0.0.1:${port}`, credentials.createInsecure());
  undo.push(() => client.close());
  const code = await new Promise((resolve) => client.check({ service: '' }, (error) => resolve(error?.code)));
  expect(code).toBe(status.UNAVAILABLE);
});

it('finds the listening servers within grpc-js', async () => {
  const { server, port } = await start({ GRPC_MAX_CONNECTIONS: 3, GRPC_MAX_CONNECTIONS_PER_ADDRESS: 0 });
  expect(listenersOf(server).map((listener) => listener.address())).toEqual([expect.objectContaining({ port })]);
});

it('holds for a service, whose log says which limit is reached', async () => {
  const said: { limit?: string }[] = [];
  const silent = createLog({ service: 'test', level: 'silent', format: 'json' });
  const log = Object.assign(Object.create(silent), { warn: (fields: { limit?: string }) => void said.push(fields) });
  const server = await startGrpcServer({
    host: '127.0.0.1',
    port: 0,
    portSetting: 'X',
    domain: 'x',
    services: [],
    connections: { GRPC_MAX_CONNECTIONS: 1, GRPC_MAX_CONNECTIONS_PER_ADDRESS: 0 },
    log,
  });
  undo.push(() => void server.stop());
  const open = opener(server.port);
  expect(await open('127.0.0.1')).not.toBe('closed');
  for (let n = 0; n < 5; n++) expect(await open('127.0.0.1')).toBe('closed');
  expect(said).toContainEqual({ limit: 'GRPC_MAX_CONNECTIONS', address: '127.0.0.1', times: expect.any(Number) });
});
