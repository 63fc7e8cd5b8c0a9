import { mkdtempSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exerciseKeyValueStore } from '@tpc/conformance';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../../../test/support/free-port.ts';
import { createTestCa } from '../../../../test/support/network/certificates.ts';
import { startRedis, type TestRedis } from '../../../../test/support/redis.ts';
import { until } from '../../../../test/support/until.ts';
import { StartError } from '../errors.ts';
import { createLog } from '../log/log.ts';
import type { KeyValueStore } from './key-value-store.ts';
import { openRedisKeyValueStore } from './redis-key-value-store.ts';

const log = createLog({ service: 'test', level: 'silent', format: 'json' });
const dir = mkdtempSync(join(tmpdir(), 'tpc-redis-test-'));
const opened: KeyValueStore[] = [];
const servers: TestRedis[] = [];

async function open(url: string, more: { caFile?: string; commandTimeoutMs?: number } = {}): Promise<KeyValueStore> {
  const store = await openRedisKeyValueStore({ url, setting: 'KEY_VALUE_URL', log, ...more });
  opened.push(store);
  return store;
}

async function redis(options?: Record<string, string>, mode?: string[]): Promise<TestRedis> {
  const server = await startRedis(options, mode);
  servers.push(server);
  return server;
}

function certificateFiles() {
  const ca = createTestCa('ca');
  const { cert, key } = ca.issue({ commonName: 'redis', ips: ['127.0.0.1'] });
  const files = { caFile: join(dir, 'ca.pem'), certFile: join(dir, 'cert.pem'), keyFile: join(dir, 'key.pem') };
  writeFileSync(files.caFile, ca.cert);
  writeFileSync(files.certFile, cert);
  writeFileSync(files.keyFile, key);
  return files;
}

afterEach(async () => {
  for (const store of opened.splice(0)) await store.close();
  for (const server of servers.splice(0)) await server.stop();
});

/** Real time passes on a real Redis: the suite's times are its own. */
let count = 0;
const letTimePass = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

describe('one Redis', () => {
  let server: TestRedis;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server.stop());
  exerciseKeyValueStore('Redis', async () => ({
    store: await openRedisKeyValueStore({ url: `redis://127.0.0.1:${server.port}/${count++ % 16}`, setting: 'KEY_VALUE_URL', log }),
    advance: letTimePass,
  }));
});

describe('a cluster', () => {
  let server: TestRedis;
  beforeAll(async () => {
    server = await startRedis({ 'cluster-enabled': 'yes', 'cluster-announce-ip': '127.0.0.1' });
    expect(await server.command('CLUSTER ADDSLOTSRANGE 0 16383')).toBe('+OK');
    await until('the cluster is complete', async () => (await server.command('CLUSTER INFO')).includes('cluster_state:ok'));
  });
  afterAll(() => server.stop());
  exerciseKeyValueStore('Redis cluster', async () => {
    await server.command('FLUSHALL');
    const url = `redis+cluster://127.0.0.1:${await freePort()},127.0.0.1:${server.port}`;
    return { store: await openRedisKeyValueStore({ url, setting: 'KEY_VALUE_URL', log }), advance: letTimePass };
  });
});

describe('Redis by other ways', () => {
  it('finds the master through a sentinel', async () => {
    const master = await redis();
    const conf = join(dir, 'sentinel.conf');
    writeFileSync(conf, `sentinel monitor main 127.0.0.1 ${master.port} 1\n`);
    const sentinel = await redis({}, [conf, '--sentinel']);
    const store = await open(`redis+sentinel://127.0.0.1:${sentinel.port}/main`);
    expect(await store.increment('c', 1_000)).toBe(1);
    expect(await master.command('EXISTS c')).toBe(':1');
  });

  it('speaks TLS with an authority of its own, and logs in as a user', async () => {
    const { caFile, certFile, keyFile } = certificateFiles();
    const acl = { user: 'uac on >p@ss ~* &* +@all' };
    const server = await redis({ 'tls-cert-file': certFile, 'tls-key-file': keyFile, 'tls-ca-cert-file': caFile, 'tls-auth-clients': 'no', ...acl });
    const store = await open(`rediss://uac:p%40ss@127.0.0.1:${server.port}`, { caFile });
    expect(await store.increment('c', 1_000)).toBe(1);
  });
});

describe('a Redis that goes away', () => {
  it('does not keep the start, and is found by itself', async () => {
    const server = await redis();
    await server.kill();
    const store = await open(`redis://127.0.0.1:${server.port}`);
    expect(store.state()).toMatchObject({ connected: false, error: expect.stringContaining('ECONNREFUSED') });
    await expect(store.increment('c', 1_000)).rejects.toThrow();
    await server.start();
    await until('the store has found it', () => store.state().connected);
    expect(await store.increment('c', 1_000)).toBe(1);
  });

  it('killed and restarted in between, is used again by itself', async () => {
    const server = await redis();
    const store = await open(`redis://127.0.0.1:${server.port}`);
    await server.kill();
    await until('the loss is seen', () => !store.state().connected);
    await expect(store.get('k')).rejects.toThrow();
    await server.start();
    await until('the store has found it', () => store.state().connected);
    expect(await store.get('k')).toBeUndefined();
  });

  it('frozen, fails a command after its time, later ones at once, and works again once it wakes', async () => {
    const server = await redis();
    const store = await open(`redis://127.0.0.1:${server.port}`, { commandTimeoutMs: 50 });
    server.signal('SIGSTOP');
    await expect(store.get('k')).rejects.toThrow('timed out');
    await until('the frozen connection is given up', () => !store.state().connected);
    await expect(store.get('k')).rejects.toThrow("isn't writeable");
    server.signal('SIGCONT');
    await until('the store has found it', () => store.state().connected);
    expect(await store.get('k')).toBeUndefined();
  });
});

describe('wrong settings of Redis end the start with one line that names them', () => {
  let stranger: Server;
  let greet: (socket: Socket) => void;
  beforeAll(async () => {
    stranger = createServer((socket) => {
      socket.on('error', () => undefined);
      greet(socket);
    });
    await new Promise<void>((resolve) => stranger.listen(0, '127.0.0.1', resolve));
  });
  afterAll(() => void stranger.close());
  const lineOf = async (url: string, more = {}) => {
    const error = await open(url, more).then(
      () => undefined,
      (reason: Error) => reason,
    );
    expect(error).toBeInstanceOf(StartError);
    expect(error?.message.split('\n')).toHaveLength(1);
    expect(error?.message).not.toContain('secret');
    return error?.message;
  };
  const strangersPort = () => (stranger.address() as { port: number }).port;

  it('an address that is none', async () => {
    expect(await lineOf('redis://:secret@h/x')).toMatch(/^KEY_VALUE_URL: bad address of Redis: expected redis:/);
  });

  it('a wrong password, and none where one is needed', async () => {
    const { port } = await redis({ requirepass: 'right' });
    expect(await lineOf(`redis://:secret@127.0.0.1:${port}`)).toMatch(/^KEY_VALUE_URL: Redis refuses: WRONGPASS /);
    expect(await lineOf(`redis://127.0.0.1:${port}`)).toMatch(/^KEY_VALUE_URL: Redis refuses: NOAUTH /);
  });

  it('a database that does not exist', async () => {
    const { port } = await redis();
    expect(await lineOf(`redis://127.0.0.1:${port}/99`)).toBe('KEY_VALUE_URL: Redis refuses: ERR DB index is out of range');
  });

  it('a cluster that is none', async () => {
    const { port } = await redis();
    expect(await lineOf(`redis+cluster://127.0.0.1:${port}`)).toMatch(
      /^KEY_VALUE_URL: Redis refuses: ERR This instance has cluster support disabled/,
    );
  });

  it('TLS to a port without it, and the other way round', async () => {
    const { port } = await redis();
    expect(await lineOf(`rediss://127.0.0.1:${port}`)).toBe(
      `KEY_VALUE_URL: 127.0.0.1:${port} speaks Redis without TLS: write redis:// for rediss://`,
    );
    const { caFile, certFile, keyFile } = certificateFiles();
    const tls = await redis({ 'tls-cert-file': certFile, 'tls-key-file': keyFile, 'tls-ca-cert-file': caFile, 'tls-auth-clients': 'no' });
    expect(await lineOf(`redis://127.0.0.1:${tls.port}`)).toBe(`KEY_VALUE_URL: 127.0.0.1:${tls.port} speaks TLS: write rediss:// for redis://`);
    expect(await lineOf(`rediss://127.0.0.1:${tls.port}`)).toMatch(/^KEY_VALUE_URL: Redis refuses: (self-signed|unable to|SELF|UNABLE)/i);
    expect(await lineOf(`rediss://127.0.0.1:${tls.port}`, { caFile: join(dir, 'no-such.pem') })).toContain('no-such.pem');
  });

  it.each([
    ['MySQL', (socket: Socket) => socket.write(Buffer.from('4a0000000a352e352e352d31302e31312e31392d4d61726961444200', 'hex'))],
    ['SMTP', (socket: Socket) => socket.write('220 mail ESMTP\r\n')],
    ['HTTP', (socket: Socket) => socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))],
    ['gRPC', (socket: Socket) => socket.write(Buffer.from('000006040000000000000300000064', 'hex'))],
  ])('the port of something that speaks %s', async (protocol, greeting) => {
    greet = greeting;
    const port = strangersPort();
    expect(await lineOf(`redis://:secret@127.0.0.1:${port}`)).toBe(`KEY_VALUE_URL: 127.0.0.1:${port} speaks ${protocol}, not Redis`);
  });
});
