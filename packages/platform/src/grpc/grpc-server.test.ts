import { fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { Client, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { MessageTracer } from '@tpc/core';
import { Status } from '@tpc/gen/google/rpc/status';
import { HealthClient } from '@tpc/gen/grpc/health/v1/health';
import { ServerReflectionClient, type ServerReflectionResponse } from '@tpc/gen/grpc/reflection/v1/reflection';
import { type GetNotificationResponse, NotificationServiceClient, NotificationServiceService } from '@tpc/gen/opc/v1/notification_service';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AppError, StartError } from '../errors.ts';
import { createLog } from '../log/log.ts';
import { type GrpcServer, serve, startGrpcServer } from './grpc-server.ts';
import { readRpcStatus } from './status-details.ts';
import type { CallContext } from './unary.ts';

const log = createLog({ service: 'test', level: 'silent', format: 'json' });
let answer: (key: string, context: CallContext) => Promise<GetNotificationResponse>;
let server: GrpcServer;
let client: NotificationServiceClient;

const broken: unknown = new Proxy(
  {},
  {
    get: () => () => {
      throw new Error('telemetry is broken');
    },
  },
);

const start = (port = 0, tracing?: MessageTracer) =>
  startGrpcServer({
    host: '127.0.0.1',
    port,
    portSetting: 'OPC_GRPC_PORT',
    domain: 'opc',
    tracing,
    log,
    services: [
      serve(NotificationServiceService, {
        getNotification: (request, context) => answer(request.messageKey, context),
        listNotifications: async () => ({ notifications: [], nextPageToken: '', searchedBackToTime: undefined }),
      }),
    ],
  });

beforeEach(async () => {
  answer = async () => ({ notification: undefined, effects: [] });
  server = await start();
  client = new NotificationServiceClient(`127.0.0.1:${server.port}`, credentials.createInsecure());
});
afterEach(async () => {
  client.close();
  await server.stop();
});

function failure(): Promise<ServiceError> {
  return new Promise((resolve, reject) => {
    client.getNotification({ messageKey: 'k' }, (error) => (error ? resolve(error) : reject(new Error('the call succeeded'))));
  });
}

function detailsOf(error: ServiceError) {
  return readRpcStatus(Status.decode(error.metadata.get('grpc-status-details-bin')[0] as Buffer));
}

describe('gRPC server', () => {
  it('sends status, reason, metadata and fields of an AppError', async () => {
    answer = async () => {
      throw new AppError({
        status: status.INVALID_ARGUMENT,
        reason: 'OPC1',
        name: 'BAD_KEY',
        message: 'bad key',
        metadata: { key: 'k' },
        violations: [{ field: 'message_key', description: 'is bad', reason: 'OPC1' }],
      });
    };
    const error = await failure();
    expect(error.code).toBe(status.INVALID_ARGUMENT);
    expect(error.details).toBe('bad key');
    const { info, badRequest } = detailsOf(error);
    expect(info).toEqual({ reason: 'OPC1', domain: 'opc', metadata: { key: 'k', name: 'BAD_KEY' } });
    expect(badRequest?.fieldViolations).toMatchObject([{ field: 'message_key', description: 'is bad', reason: 'OPC1' }]);
  });

  it('says nothing of the inside when a handler fails unexpectedly', async () => {
    answer = async () => {
      throw new Error('secret place at /x/y.ts');
    };
    const error = await failure();
    expect(error.code).toBe(status.INTERNAL);
    expect(JSON.stringify(error)).not.toContain('secret place');
    expect(detailsOf(error).info?.reason).toBe('INTERNAL');
  });

  it.each([
    ['malformed', Buffer.from([0x0a, 0xff]), status.INVALID_ARGUMENT, 'MALFORMED_REQUEST'],
    ['oversized', Buffer.alloc(5 * 1024 * 1024), status.INVALID_ARGUMENT, 'REQUEST_TOO_LARGE'],
  ])('answers a %s request by a typed error', async (_name, bytes, code, reason) => {
    const raw = new Client(`127.0.0.1:${server.port}`, credentials.createInsecure());
    const error = await new Promise<ServiceError>((resolve, reject) => {
      raw.makeUnaryRequest(
        '/opc.v1.NotificationService/GetNotification',
        (value: Buffer) => value,
        (value: Buffer) => value,
        bytes,
        (failed) => (failed ? resolve(failed) : reject(new Error('the call succeeded'))),
      );
    });
    raw.close();
    expect(error.code).toBe(code);
    expect(detailsOf(error).info?.reason).toBe(reason);
  });

  it('tells the handler of cancellation and of the trace context', async () => {
    const seen = Promise.withResolvers<CallContext>();
    answer = (_key, context) => {
      seen.resolve(context);
      return new Promise((_resolve, reject) => context.signal.addEventListener('abort', () => reject(new Error('gone'))));
    };
    const metadata = new Metadata();
    metadata.set('traceparent', '00-1-2-01');
    const call = client.getNotification({ messageKey: 'k' }, metadata, () => undefined);
    const context = await seen.promise;
    expect(context.traceparent).toBe('00-1-2-01');
    const aborted = new Promise((resolve) => context.signal.addEventListener('abort', resolve));
    call.cancel();
    await aborted;
  });

  it.each([
    ['starts a span', () => broken],
    ['uses its spans', () => ({ startSpan: () => broken })],
  ])('answers calls whose tracer throws when it %s', async (_, tracer) => {
    await server.stop();
    server = await start(0, new MessageTracer(tracer() as never));
    client.close();
    client = new NotificationServiceClient(`127.0.0.1:${server.port}`, credentials.createInsecure());
    const answered = await new Promise((resolve) => client.getNotification({ messageKey: 'k' }, (error, response) => resolve(error ?? response)));
    expect(answered).toEqual({ notification: undefined, effects: [] });
    answer = () => Promise.reject(new Error('of the handler'));
    expect((await failure()).code).toBe(status.INTERNAL);
  });

  it('reports health of the whole, of each service and of named parts', async () => {
    const health = new HealthClient(`127.0.0.1:${server.port}`, credentials.createInsecure());
    const check = (service: string) =>
      new Promise((resolve, reject) => health.check({ service }, (error, response) => (error ? reject(error) : resolve(response.status))));
    expect(await check('')).toBe(2);
    server.setHealth('', true);
    server.setHealth('broker', false);
    expect([await check(''), await check('opc.v1.NotificationService'), await check('broker')]).toEqual([1, 1, 2]);
    health.close();
  });

  it('lists services and gives files with their dependencies by reflection', async () => {
    const reflection = new ServerReflectionClient(`127.0.0.1:${server.port}`, credentials.createInsecure());
    const ask = (request: object) =>
      new Promise<ServerReflectionResponse>((resolve, reject) => {
        const stream = reflection.serverReflectionInfo();
        stream.on('data', resolve).on('error', reject);
        stream.write({ host: '', ...request } as never);
        stream.end();
      });
    const list = await ask({ listServices: '' });
    expect(list.listServicesResponse?.service.map((service) => service.name)).toContain('opc.v1.NotificationService');
    const files = await ask({ fileContainingSymbol: 'opc.v1.NotificationService.GetNotification' });
    const names = files.fileDescriptorResponse?.fileDescriptorProto.map((file) => fromBinary(FileDescriptorProtoSchema, file).name);
    expect(names).toEqual(['opc/v1/notification_service.proto', 'google/protobuf/timestamp.proto']);
    expect((await ask({ fileByFilename: 'google/rpc/error_details.proto' })).fileDescriptorResponse).toBeDefined();
    expect((await ask({ fileContainingSymbol: 'no.Such' })).errorResponse?.errorCode).toBe(status.NOT_FOUND);
    reflection.close();
  });

  it('names the setting when its port is taken', async () => {
    await expect(start(server.port)).rejects.toThrow(new StartError(`OPC_GRPC_PORT: cannot listen on 127.0.0.1:${server.port}: the port is taken`));
  });
});
