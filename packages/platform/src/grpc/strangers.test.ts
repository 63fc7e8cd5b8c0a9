/** What a caller may send without ending more than its own call. */
import { type ClientReadableStream, credentials, type ServiceError, status } from '@grpc/grpc-js';
import { type HealthCheckResponse, HealthClient } from '@tpc/gen/grpc/health/v1/health';
import { ServerReflectionClient, type ServerReflectionRequest, type ServerReflectionResponse } from '@tpc/gen/grpc/reflection/v1/reflection';
import { NotificationServiceClient, NotificationServiceService } from '@tpc/gen/opc/v1/notification_service';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AppError } from '../errors.ts';
import { createLog } from '../log/log.ts';
import { type GrpcServer, serve, startGrpcServer } from './grpc-server.ts';

const DEADLINE_MS = 10_000;
let server: GrpcServer;
let client: NotificationServiceClient;
let reflection: ServerReflectionClient;
let health: HealthClient;

/** Fails with texts that repeat what the caller has sent. */
const getNotification = async ({ messageKey: text }: { messageKey: string }) => {
  if (text === '') return { notification: undefined, effects: [] };
  const said = text.slice(0, text.endsWith('😀') ? -1 : undefined);
  const violations = Array.from({ length: 16 }, () => ({ field: said, description: said, reason: 'BAD' }));
  throw new AppError({ status: status.INVALID_ARGUMENT, reason: 'BAD', message: `It is ${said}.`, metadata: { said }, violations });
};

beforeAll(async () => {
  server = await startGrpcServer({
    host: '127.0.0.1',
    port: 0,
    portSetting: 'OPC_GRPC_PORT',
    domain: 'opc',
    log: createLog({ service: 'test', level: 'silent', format: 'json' }),
    services: [
      serve(NotificationServiceService, {
        getNotification,
        listNotifications: async () => ({ notifications: [], nextPageToken: '', searchedBackToTime: undefined }),
      }),
    ],
  });
  const address = [`127.0.0.1:${server.port}`, credentials.createInsecure()] as const;
  client = new NotificationServiceClient(...address);
  reflection = new ServerReflectionClient(...address);
  health = new HealthClient(...address);
});
afterAll(async () => {
  for (const each of [client, reflection, health]) each.close();
  await server.stop();
});

/** The error that a key is answered with, or OK. */
const ask = (messageKey: string) =>
  new Promise<Pick<ServiceError, 'code' | 'details'>>((resolve) => {
    client.getNotification({ messageKey }, { deadline: Date.now() + DEADLINE_MS } as never, (error: ServiceError | null) =>
      resolve(error ?? { code: status.OK, details: '' }),
    );
  });

const reflect = (request: Partial<ServerReflectionRequest>) =>
  new Promise<ServerReflectionResponse>((resolve, reject) => {
    const stream = reflection.serverReflectionInfo({ deadline: Date.now() + DEADLINE_MS });
    stream.on('data', resolve).on('error', reject);
    stream.write({ host: '', ...request } as never);
    stream.end();
  });

describe('a caller ends no more than its own call', () => {
  it('by asking reflection for a name of 40,000 parts', async () => {
    await expect(reflect({ fileContainingSymbol: `${'a.'.repeat(40_000)}a` })).rejects.toMatchObject({ code: status.INVALID_ARGUMENT });
    expect((await reflect({ fileContainingSymbol: `${'a.'.repeat(1_000)}a` })).errorResponse?.errorCode).toBe(status.INVALID_ARGUMENT);
    expect((await reflect({ fileContainingSymbol: `opc.v1${'.a'.repeat(200)}` })).errorResponse?.errorCode).toBe(status.NOT_FOUND);
    expect((await ask('')).code).toBe(status.OK);
  });

  it('by a text that is cut within a character', async () => {
    expect(await ask(`${'a'.repeat(100)}😀`)).toMatchObject({ code: status.INVALID_ARGUMENT, details: `It is ${'a'.repeat(100)}\ufffd.` });
  });

  it('by a text that is longer than a header may be', async () => {
    const [long, beside] = await Promise.all([ask('ü'.repeat(1_000_000)), ask('x')]);
    expect([long.code, beside.code]).toEqual([status.INVALID_ARGUMENT, status.INVALID_ARGUMENT]);
    expect(long.details.length).toBeLessThan(1_000);
  });

  it('by a name whose health nobody knows, however long it is', async () => {
    const check = (service: string) =>
      new Promise<ServiceError | null>((resolve) => health.check({ service }, { deadline: Date.now() + DEADLINE_MS } as never, resolve));
    expect((await check('nobody'))?.code).toBe(status.NOT_FOUND);
    expect((await check('x'.repeat(1_000_000)))?.code).toBe(status.INVALID_ARGUMENT);
    expect((await ask('')).code).toBe(status.OK);
  });
});

describe('who watches the health', () => {
  const watch = (service: string) => {
    const states: number[] = [];
    const stream: ClientReadableStream<HealthCheckResponse> = health.watch({ service });
    stream.on('data', ({ status: state }: HealthCheckResponse) => states.push(state));
    stream.on('error', () => undefined);
    return { states, stream };
  };

  it('is told of changes alone, and of a name as soon as it is known', async () => {
    const { states, stream } = watch('late');
    await expect.poll(() => states).toEqual([3]);
    for (const serving of [true, true, true, false]) {
      server.setHealth('late', serving);
      await new Promise((resolve) => stream.once('data', resolve).once('end', resolve) && setImmediate(resolve));
    }
    await expect.poll(() => states.at(-1)).toBe(2);
    expect(states).toEqual([3, 1, 2]);
    stream.cancel();
  });
});
