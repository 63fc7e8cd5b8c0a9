import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Client, credentials, type ServiceError } from '@grpc/grpc-js';
import { createRocketMqPublisher } from '@tpc/broker';
import { FakeTpc } from '@tpc/client/testing';
import { encodeDeliveryProperties } from '@tpc/core';
import { startEmbeddedBroker } from '@tpc/embedded';
import { Status } from '@tpc/gen/google/rpc/status';
import {
  type GetNotificationRequest,
  type GetNotificationResponse,
  type ListNotificationsRequest,
  type ListNotificationsResponse,
  NotificationServiceClient,
} from '@tpc/gen/opc/v1/notification_service';
import { createLog, loadConfig, readRpcStatus } from '@tpc/platform';
import { createTestDatabase } from '../../../test/support/mariadb.ts';
import { until } from '../../../test/support/until.ts';
import { configSchema } from '../src/config.ts';
import { type OpcService, startOpcService } from '../src/index.ts';

export const STORES = ['SQLite', 'MariaDB'] as const;
export type Store = (typeof STORES)[number];

/** A message as a producer would send it; `body` is JSON unless it is a string. */
export type TestMessage = { key: string; body: unknown; tag?: string; generation?: number; topic?: string };

/** OPC as a whole: its real service over real gRPC, a real broker, a TPC in memory, and a mail server of the test's choice. */
export type OpcWorld = {
  tpc: FakeTpc;
  service(): OpcService;
  /** Publishes as TPC does. */
  publish(...messages: TestMessage[]): Promise<void>;
  get(messageKey: string): Promise<GetNotificationResponse>;
  list(request?: Partial<ListNotificationsRequest>): Promise<ListNotificationsResponse>;
  /** Waits until the message has this state, and answers it. */
  untilState(messageKey: string, state: number): Promise<GetNotificationResponse>;
  /** Stops the service and starts it again on the same database, with other settings where given. */
  restart(settings?: Record<string, string>): Promise<void>;
  /** Environment of the service, to start a second one. */
  env: Record<string, string>;
  drop(): Promise<void>;
};

export async function startWorld(store: Store, smtpPort: number, settings: Record<string, string> = {}): Promise<OpcWorld> {
  const dir = mkdtempSync(join(tmpdir(), 'opc-world-'));
  const database = store === 'SQLite' ? { url: `sqlite:${dir}/opc.db`, drop: async () => {} } : await createTestDatabase('opc');
  const broker = await startEmbeddedBroker({ file: join(dir, 'broker.db'), port: 0 });
  const tpc = await new FakeTpc().start();
  const endpoints = `127.0.0.1:${broker.port}`;
  const env = {
    OPC_DATABASE_URL: database.url,
    OPC_GRPC_PORT: '0',
    BROKER_ENDPOINTS: endpoints,
    TPC_ADDRESS: tpc.address,
    SMTP_PORT: String(smtpPort),
    SMTP_FROM: 'TPC <no-reply@tpc.example>',
    OPC_RETRY_FIRST_MS: '50',
    OPC_RETRY_MAX_MS: '200',
    OPC_DEFER_FIRST_MS: '50',
    OPC_DEFER_MAX_MS: '200',
    ...settings,
  };
  let service = await start(env);
  let client = connect(service);
  const publisher = createRocketMqPublisher({ endpoints });
  publisher.start();
  await service.registered();
  const get = (messageKey: string) => call<GetNotificationRequest, GetNotificationResponse>(client, client.getNotification, { messageKey });
  return {
    tpc,
    env,
    get,
    service: () => service,
    publish: async (...messages) => {
      await until('the broker to take the messages', async () => (await publisher.publish(messages.map(outgoing))).every(({ ok }) => ok));
    },
    list: (request = {}) =>
      call<ListNotificationsRequest, ListNotificationsResponse>(client, client.listNotifications, {
        pageSize: 0,
        pageToken: '',
        topic: '',
        tag: '',
        states: [],
        ...request,
      }),
    untilState: (messageKey, state) =>
      until(`${messageKey} to have state ${state}`, async () => {
        const found = await get(messageKey).catch(() => undefined);
        return found?.notification?.state === state ? found : undefined;
      }),
    restart: async (changed = {}) => {
      client.close();
      await service.stop();
      service = await start({ ...env, ...changed });
      client = connect(service);
    },
    drop: async () => {
      client.close();
      await publisher.stop(1_000);
      await service.stop();
      tpc.die();
      await broker.stop();
      await database.drop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

function start(env: Record<string, string>): Promise<OpcService> {
  return startOpcService({ config: loadConfig(configSchema, env), log: createLog({ service: 'opc', level: 'silent', format: 'json' }) });
}

function connect({ grpcPort }: OpcService): NotificationServiceClient {
  return new NotificationServiceClient(`127.0.0.1:${grpcPort}`, credentials.createInsecure());
}

function outgoing({ key, body, tag = 'ACTIVE_USER', generation = 1, topic = 'SEND_EMAIL_TOPIC' }: TestMessage) {
  const delivery = { messageKey: key, producerGroup: 'PID_UAC', generation, onlyGroup: undefined };
  const properties = encodeDeliveryProperties({ ...delivery, contentType: 'application/json', headers: {}, traceparent: '', tracestate: '' });
  return { topic, tag, keys: [key], body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)), properties };
}

/** An error of a call as a client reads it. */
export type CallError = { code: number; reason: string | undefined; fields: string[]; message: string };

function call<Request, Response>(
  client: Client,
  method: (request: Request, callback: (error: ServiceError | null, response: Response) => void) => unknown,
  request: Request,
): Promise<Response> {
  return (promisify(method.bind(client) as never) as (request: Request) => Promise<Response>)(request).catch((error: ServiceError) => {
    throw readError(error);
  });
}

function readError(error: ServiceError): CallError {
  const [details] = error.metadata.get('grpc-status-details-bin');
  const { info, badRequest } = Buffer.isBuffer(details) ? readRpcStatus(Status.decode(details)) : {};
  const fields = badRequest?.fieldViolations.map(({ field }) => field) ?? [];
  return { code: error.code, reason: info?.reason, fields, message: error.details };
}
