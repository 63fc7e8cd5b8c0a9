import { createServer } from 'node:net';
import { status } from '@grpc/grpc-js';
import { HealthService } from '@tpc/gen/grpc/health/v1/health';
import { ServerReflectionService } from '@tpc/gen/grpc/reflection/v1/reflection';
import { ServerReflectionService as ServerReflectionV1AlphaService } from '@tpc/gen/grpc/reflection/v1alpha/reflection';
import { openDatabase, StartError } from '@tpc/platform';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { freePort } from '../../../test/support/free-port.ts';
import { startTestBroker } from './broker-kit.ts';
import {
  type Callers,
  callersOf,
  mariaDatabase,
  NO_BROKER,
  outgoing,
  rawCall,
  reflect,
  refusalOf,
  sqliteDatabase,
  startTestTpc,
  type TestTpc,
} from './support.ts';
import { createTcpProxy } from './tcp-proxy.ts';

let cleanUp: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of cleanUp.reverse()) await end();
  cleanUp = [];
});

async function keep<T>(started: Promise<T>, end: (part: T) => Promise<unknown>): Promise<T> {
  const part = await started;
  cleanUp.push(() => end(part));
  return part;
}

const tpcWith = (env: Record<string, string>) => keep(startTestTpc(env), (part) => part.stop());
const sqlite = () => keep(sqliteDatabase(), (part) => part.drop());

const KEY = '019ab0d4-7a3e-7cc2-8f5e-000000000001';
const SERVING = 1;
const NOT_SERVING = 2;
const healthOf = async (tpc: Callers, service: string) =>
  (await rawCall(tpc.client, HealthService.check as never, HealthService.check.requestSerialize({ service }))) as { status: number };
const untilHealth = (tpc: TestTpc, service: string, expected: number) =>
  vi.waitFor(async () => expect((await healthOf(tpc, service)).status).toBe(expected), { timeout: 20_000 });

const saveOne = (tpc: TestTpc) => tpc.messages.saveMessageWaitingConfirm({ producerGroup: 'P', message: outgoing({ messageKey: KEY }) });
const subscribe = (tpc: Callers) =>
  tpc.messages.registerConsumer({ consumerGroup: 'C', instanceId: 'c1', subscriptions: [{ topic: 'SEND_EMAIL_TOPIC', tags: [] }] });

describe('health and reflection', () => {
  it('is SERVING with its database alone, and names the broker apart', async () => {
    const database = await sqlite();
    const broker = await keep(startTestBroker(), (part) => part.drop());
    const tpc = await tpcWith({ TPC_DATABASE_URL: database.url, BROKER_ENDPOINTS: broker.endpoints });
    for (const name of ['', 'tpc.v1.ReliableMessageService', 'tpc.v1.MessageAdminService']) {
      expect(await healthOf(tpc, name)).toEqual({ status: SERVING });
    }
    await untilHealth(tpc, 'broker', SERVING);
    await broker.goAway();
    // Also with nothing to publish.
    await untilHealth(tpc, 'broker', NOT_SERVING);
    expect(await healthOf(tpc, '')).toEqual({ status: SERVING });
    await broker.comeBack();
    await untilHealth(tpc, 'broker', SERVING);
  });

  it.each([
    ['v1', ServerReflectionService],
    ['v1alpha', ServerReflectionV1AlphaService],
  ])('lists and describes the services by reflection %s', async (_, reflection) => {
    const database = await sqlite();
    const tpc = await tpcWith({ TPC_DATABASE_URL: database.url });
    const [listed, described] = await reflect(tpc.client, reflection, [
      { listServices: '' },
      { fileContainingSymbol: 'tpc.v1.ReliableMessageService.SaveMessageWaitingConfirm' },
    ]);
    expect(listed?.listServicesResponse?.service.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['tpc.v1.ReliableMessageService', 'tpc.v1.MessageAdminService', 'grpc.health.v1.Health']),
    );
    // The file itself and all that it stands on: message.proto, google.protobuf and google.rpc.
    expect(described?.fileDescriptorResponse?.fileDescriptorProto.length).toBeGreaterThanOrEqual(5);
  });
});

describe('the database', () => {
  it('may be away at start: the service listens, says NOT_SERVING and when to try again, and serves once it is there', async () => {
    const database = await keep(mariaDatabase(), (part) => part.drop());
    const url = new URL(database.url);
    const proxy = await keep(createTcpProxy(Number(url.port)), (part) => part.cut());
    url.port = String(proxy.port);
    const tpc = await tpcWith({ TPC_DATABASE_URL: url.href });
    expect(await healthOf(tpc, '')).toEqual({ status: NOT_SERVING });
    expect(await refusalOf(subscribe(tpc))).toMatchObject({ status: status.UNAVAILABLE, reason: 'STORE_UNAVAILABLE', retry: true });
    await proxy.mend();
    await untilHealth(tpc, '', SERVING);
    await subscribe(tpc);
    expect(await saveOne(tpc)).toEqual({ state: 10 });
    // And away while it runs.
    await proxy.cut();
    expect(await refusalOf(saveOne(tpc))).toMatchObject({ status: status.UNAVAILABLE, reason: 'STORE_UNAVAILABLE', retry: true });
    await untilHealth(tpc, '', NOT_SERVING);
    await proxy.mend();
    await untilHealth(tpc, '', SERVING);
    expect(await saveOne(tpc)).toEqual({ state: 10 });
    await proxy.cut();
    await tpc.stop();
  });

  it('may fall silent while it runs: the service says NOT_SERVING, and goes on when the database is back', async () => {
    const database = await keep(mariaDatabase(), (part) => part.drop());
    const url = new URL(database.url);
    const proxy = await keep(createTcpProxy(Number(url.port)), (part) => part.cut());
    await proxy.mend();
    url.port = String(proxy.port);
    const tpc = await tpcWith({ TPC_DATABASE_URL: url.href });
    await untilHealth(tpc, '', SERVING);
    await subscribe(tpc);
    proxy.silence();
    const stuck = tpc.messages.saveMessageWaitingConfirm({ producerGroup: 'P', message: outgoing({ messageKey: KEY }) });
    await untilHealth(tpc, '', NOT_SERVING);
    await proxy.cut();
    await proxy.mend();
    expect(await stuck.catch((error) => error.code)).toSatisfy((answer) => answer === status.UNAVAILABLE || answer.state === 10);
    await untilHealth(tpc, '', SERVING);
    expect(await saveOne(tpc)).toEqual({ state: 10 });
  });

  it('gets no call before its schema is there', async () => {
    const database = await keep(mariaDatabase(), (part) => part.drop());
    const port = await freePort();
    const session = openDatabase({ url: database.url, poolMax: 1 });
    cleanUp.push(() => session.destroy());
    // Another process migrates.
    await session.raw("SELECT GET_LOCK(CONCAT(DATABASE(), ':migrate:tpc_migration'), 1)");
    const starting = startTestTpc({ TPC_DATABASE_URL: database.url, TPC_GRPC_PORT: String(port) });
    const early = await keep(Promise.resolve(callersOf(port)), async ({ client }) => client.close());
    await vi.waitFor(async () => expect(await healthOf(early, '')).toEqual({ status: NOT_SERVING }));
    expect(await refusalOf(subscribe(early))).toMatchObject({ status: status.UNAVAILABLE, reason: 'STORE_UNAVAILABLE', retry: true });
    await session.raw("SELECT RELEASE_LOCK(CONCAT(DATABASE(), ':migrate:tpc_migration'))");
    const tpc = await keep(starting, (part) => part.stop());
    expect(await healthOf(tpc, '')).toEqual({ status: SERVING });
    await subscribe(early);
  });

  it('that lacks migrations stops the start of a service that may not migrate, with a line that names them', async () => {
    const database = await sqlite();
    const start = startTestTpc({ TPC_DATABASE_URL: database.url, MIGRATE: 'check' });
    await expect(start).rejects.toThrow(/0001.*MIGRATE=auto/);
    await expect(start).rejects.toBeInstanceOf(StartError);
    await (await startTestTpc({ TPC_DATABASE_URL: database.url })).stop();
    await tpcWith({ TPC_DATABASE_URL: database.url, MIGRATE: 'check' });
  });
});

describe('a wrong setting', () => {
  it.each([
    ['an address of no known kind', { TPC_DATABASE_URL: 'postgres://x' }, /TPC_DATABASE_URL|database address/],
    ['a broker without a port', { BROKER_ENDPOINTS: 'nowhere' }, /BROKER_ENDPOINTS/],
    ['a number that is none', { TPC_CHECK_FIRST_MS: 'soon' }, /TPC_CHECK_FIRST_MS="soon"/],
    [
      'a first wait above the longest',
      { TPC_CHECK_FIRST_MS: '500', TPC_CHECK_MAX_MS: '400' },
      /TPC_CHECK_FIRST_MS=500 is above TPC_CHECK_MAX_MS=400/,
    ],
    ['an open address without tokens', { BIND_HOST: '0.0.0.0' }, /BIND_HOST/],
  ])('stops the start with a line that names it: %s', async (_, env, line) => {
    const start = (async () => startTestTpc({ TPC_DATABASE_URL: 'sqlite::memory:', ...env }))();
    await expect(start).rejects.toThrow(line);
    await expect(start).rejects.toBeInstanceOf(StartError);
  });

  it('stops the start when the database does not know the user or the database', async () => {
    const database = await keep(mariaDatabase(), (part) => part.drop());
    const start = startTestTpc({ TPC_DATABASE_URL: `${database.url}_not_there` });
    await expect(start).rejects.toThrow(/TPC_DATABASE_URL/);
    await expect(start).rejects.toBeInstanceOf(StartError);
  });

  it('stops the start when the port is taken', async () => {
    const database = await sqlite();
    const taken = createServer();
    const port = await new Promise<number>((resolve) => taken.listen(0, '127.0.0.1', () => resolve((taken.address() as { port: number }).port)));
    cleanUp.push(() => new Promise((resolve) => taken.close(resolve)));
    await expect(startTestTpc({ TPC_DATABASE_URL: database.url, TPC_GRPC_PORT: String(port) })).rejects.toThrow(/TPC_GRPC_PORT.*taken/);
  });
});

describe('the service', () => {
  it('refuses what it cannot hold, and says when to try again', async () => {
    const database = await sqlite();
    const tpc = await tpcWith({ TPC_DATABASE_URL: database.url, TPC_MAX_QUEUED: '1', BROKER_ENDPOINTS: NO_BROKER });
    await subscribe(tpc);
    const messages = Array.from({ length: 50 }, (_, index) => outgoing({ messageKey: `P:${index}` }));
    const { results } = await tpc.messages.batchSaveMessageWaitingConfirm({ producerGroup: 'P', messages });
    const codes = new Set(results.map((result) => result.status?.code));
    expect(codes).toEqual(new Set([status.OK, status.RESOURCE_EXHAUSTED]));
  });

  it('drops a caller whose deadline has passed before its work', async () => {
    const database = await sqlite();
    const tpc = await tpcWith({ TPC_DATABASE_URL: database.url });
    await subscribe(tpc);
    const late = tpc.messages.saveMessageWaitingConfirm({ producerGroup: 'P', message: outgoing({ messageKey: 'P:late' }) }, { deadlineMs: -1 });
    await expect(late).rejects.toMatchObject({ code: status.DEADLINE_EXCEEDED });
    await expect(tpc.admin.getMessage({ messageKey: 'P:late' })).rejects.toMatchObject({ code: status.NOT_FOUND });
  });

  it('lists messages page by page, newest first, each once', async () => {
    const database = await sqlite();
    const tpc = await tpcWith({ TPC_DATABASE_URL: database.url });
    await subscribe(tpc);
    for (let index = 0; index < 7; index++)
      await tpc.messages.saveMessageWaitingConfirm({ producerGroup: 'P', message: outgoing({ messageKey: `P:${index}` }) });
    const keys: string[] = [];
    let pageToken = '';
    do {
      const page = await tpc.admin.listMessages({ pageSize: 3, pageToken, producerGroup: 'P' });
      keys.push(...page.messages.map(({ messageKey }) => messageKey));
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
    expect(keys).toEqual([6, 5, 4, 3, 2, 1, 0].map((index) => `P:${index}`));
    const { nextPageToken } = await tpc.admin.listMessages({ pageSize: 3, producerGroup: 'P' });
    expect(await refusalOf(tpc.admin.listMessages({ pageSize: 3, pageToken: nextPageToken, producerGroup: 'Q' }))).toMatchObject({
      reason: 'PAGE_TOKEN_INVALID',
    });
  });

  it('refuses an outbox or inbox that forgets before TPC and the broker do', async () => {
    const database = await sqlite();
    const tpc = await tpcWith({ TPC_DATABASE_URL: database.url, TPC_MESSAGE_RETENTION_DAYS: '10', TPC_BROKER_RETENTION_DAYS: '3' });
    const days = (count: number) => ({ seconds: BigInt(count * 86_400), nanos: 0 });
    const producer = { producerGroup: 'P', instanceId: 'i' };
    expect(await refusalOf(tpc.messages.registerProducer({ ...producer, outboxRetention: days(12) }))).toMatchObject({
      reason: 'RETENTION_TOO_SHORT',
      fields: ['outbox_retention'],
    });
    const registered = await tpc.messages.registerProducer({ ...producer, outboxRetention: days(13) });
    expect(registered).toMatchObject({ epoch: 1n, epochTime: undefined, messageRetention: days(10) });
    const consumer = { consumerGroup: 'C', instanceId: 'i', subscriptions: [{ topic: 'T', tags: [] }] };
    expect(await refusalOf(tpc.messages.registerConsumer({ ...consumer, inboxRetention: days(12) }))).toMatchObject({
      reason: 'RETENTION_TOO_SHORT',
      fields: ['inbox_retention'],
    });
  });
});
