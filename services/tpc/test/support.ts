import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, credentials, InterceptingCall, type Interceptor, Metadata, type MethodDefinition, type ServiceError } from '@grpc/grpc-js';
import { Status } from '@tpc/gen/google/rpc/status';
import type { ServerReflectionResponse, ServerReflectionService } from '@tpc/gen/grpc/reflection/v1/reflection';
import type { ServerReflectionService as ServerReflectionV1AlphaService } from '@tpc/gen/grpc/reflection/v1alpha/reflection';
import { OutgoingMessage } from '@tpc/gen/tpc/v1/message';
import { MessageAdminServiceService } from '@tpc/gen/tpc/v1/message_admin_service';
import { ReliableMessageServiceService } from '@tpc/gen/tpc/v1/reliable_message_service';
import { createLog, type Log, loadConfig, openDatabase, readRpcStatus } from '@tpc/platform';
import { createTestDatabase } from '../../../test/support/mariadb.ts';
import { configSchema, startTpcService, type TpcService } from '../src/index.ts';
import { createStore } from '../src/store/create-store.ts';

/** For looking into a failing test, set the level to debug. */
const testLog = createLog({ service: 'test', level: 'silent', format: 'text' });

/** No broker listens there. */
export const NO_BROKER = '127.0.0.1:1';

type Method<Q, R> = { requestSerialize: (value: Q) => Buffer; responseDeserialize: (bytes: Buffer) => R };
export type CallOptions = { deadlineMs?: number; signal?: AbortSignal };
/** Each method of a service as a function; fields that are left out have their default. */
type Calls<S> = {
  [M in keyof S]: S[M] extends Method<infer Q, infer R> ? (request: Partial<Q>, options?: CallOptions) => Promise<R> : never;
};

/** The calls of one TPC. */
export type Callers = {
  messages: Calls<typeof ReliableMessageServiceService>;
  admin: Calls<typeof MessageAdminServiceService>;
  /** For calls with bytes of one's own, and for health and reflection. */
  client: Client;
};

/** A TPC under test with its callers. */
export type TestTpc = Callers & { service: TpcService; stop(): Promise<void> };

/** Settings under which a test need not wait. */
const QUICK = {
  TPC_GRPC_PORT: '0',
  BROKER_ENDPOINTS: NO_BROKER,
  TPC_PUBLISH_POLL_MS: '50',
  TPC_REDELIVER_POLL_MS: '50',
  TPC_RESUME_POLL_MS: '50',
  TPC_CHECK_POLL_MS: '50',
  TPC_CHECK_FIRST_MS: '100',
  TPC_CHECK_MAX_MS: '200',
  TPC_PUBLISH_RETRY_FIRST_MS: '50',
  TPC_PUBLISH_RETRY_MAX_MS: '200',
};

export async function startTestTpc(env: Record<string, string>, log: Log = testLog): Promise<TestTpc> {
  const service = await startTpcService({ config: loadConfig(configSchema, { ...QUICK, ...env }), log });
  const callers = callersOf(service.grpcPort);
  return {
    ...callers,
    service,
    stop: async () => {
      callers.client.close();
      await service.stop();
    },
  };
}

/** The calls of whatever TPC listens on a port, with a token where one is given. */
export function callersOf(port: number, token?: string): Callers {
  const interceptors: Interceptor[] = token === undefined ? [] : [withToken(token)];
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), { 'grpc.initial_reconnect_backoff_ms': 50, interceptors });
  return { client, messages: callsOf(client, ReliableMessageServiceService), admin: callsOf(client, MessageAdminServiceService) };
}

function withToken(token: string): Interceptor {
  return (options, nextCall) =>
    new InterceptingCall(nextCall(options), {
      start: (metadata, listener, next) => {
        metadata.set('authorization', `Bearer ${token}`);
        next(metadata, listener);
      },
    });
}

export type TestDatabase = { url: string; drop(): Promise<void> };

/** A folder of its own with an SQLite file. */
export async function sqliteDatabase(): Promise<TestDatabase> {
  const folder = mkdtempSync(join(tmpdir(), 'tpc-service-'));
  return { url: `sqlite:${join(folder, 'tpc.db')}`, drop: async () => rmSync(folder, { recursive: true, force: true }) };
}

export const mariaDatabase = (): Promise<TestDatabase> => createTestDatabase('tpc_service');

function callsOf<S extends object>(client: Client, definition: S): Calls<S> {
  const calls = Object.entries(definition as Record<string, MethodDefinition<object, object>>).map(([name, method]) => [
    name,
    (request: object, { deadlineMs, signal }: CallOptions = {}) => {
      const full = { ...method.requestDeserialize(Buffer.alloc(0)), ...request };
      return rawCall(client, method, method.requestSerialize(full), {
        ...(deadlineMs === undefined ? {} : { deadlineMs }),
        ...(signal ? { signal } : {}),
      });
    },
  ]);
  return Object.fromEntries(calls) as Calls<S>;
}

/** Calls a method with bytes as they are. */
export function rawCall<R extends object>(client: Client, method: MethodDefinition<object, R>, bytes: Buffer, options: CallOptions = {}): Promise<R> {
  return new Promise((resolve, reject) => {
    const callOptions = options.deadlineMs === undefined ? {} : { deadline: Date.now() + options.deadlineMs };
    const done = (error: ServiceError | null, response?: R) => (error ? reject(error) : resolve(response as R));
    const call = client.makeUnaryRequest(method.path, (value: Buffer) => value, method.responseDeserialize, bytes, new Metadata(), callOptions, done);
    options.signal?.addEventListener('abort', () => call.cancel(), { once: true });
  });
}

/** A message with a body, as a producer hands it over. */
export function outgoing(message: Partial<OutgoingMessage>): OutgoingMessage {
  return { ...OutgoingMessage.decode(new Uint8Array()), topic: 'SEND_EMAIL_TOPIC', tag: 'ACTIVE_USER', text: 'hello', ...message };
}

/** How a refused call or item reads. */
export type Refused = { status: number; reason: string; fields: string[]; retry: boolean };

/** What a call was refused with; throws when it was answered, or refused without our details. */
export async function refusalOf(call: Promise<unknown>): Promise<Refused> {
  const error = await call.then(
    (response) => {
      throw new Error(`answered: ${JSON.stringify(response, (_, value) => (typeof value === 'bigint' ? String(value) : value))}`);
    },
    (cause: ServiceError) => cause,
  );
  const bytes = error.metadata?.get('grpc-status-details-bin')[0];
  if (!Buffer.isBuffer(bytes)) throw error;
  return { ...itemRefusal(Status.decode(bytes)), status: error.code };
}

export function itemRefusal(status: Status | undefined): Refused {
  if (!status) throw new Error('a result without a status');
  const { info, badRequest } = readRpcStatus(status);
  return {
    status: status.code,
    reason: info?.reason ?? '',
    fields: badRequest?.fieldViolations.map((violation) => violation.field) ?? [],
    retry: status.details.some((detail) => detail.typeUrl.endsWith('RetryInfo')),
  };
}

/** What a process leaves behind that confirmed a message and died before it published it. */
export async function claimWithoutPublishing(url: string, item: { producerGroup: string; messageKey: string }, leaseMs: number): Promise<void> {
  const knex = openDatabase({ url, multipleStatements: true });
  try {
    const store = createStore(knex);
    const { publish } = await store.confirmMessages([item], { token: 42, leaseMs });
    if (publish.length !== 1) throw new Error('nothing was claimed');
  } finally {
    await knex.destroy();
  }
}

type ReflectionRequest = { listServices?: string; fileContainingSymbol?: string };

/** Asks a server's reflection one thing after the other on one stream. */
export function reflect(
  client: Client,
  service: typeof ServerReflectionService | typeof ServerReflectionV1AlphaService,
  requests: readonly ReflectionRequest[],
): Promise<ServerReflectionResponse[]> {
  const method = service.serverReflectionInfo as typeof ServerReflectionService.serverReflectionInfo;
  const call = client.makeBidiStreamRequest(method.path, method.requestSerialize, method.responseDeserialize);
  return new Promise((resolve, reject) => {
    const answers: ServerReflectionResponse[] = [];
    call.on('data', (answer: ServerReflectionResponse) => answers.push(answer));
    call.on('error', reject);
    call.on('end', () => resolve(answers));
    for (const request of requests) call.write({ ...method.requestDeserialize(Buffer.alloc(0)), ...request });
    call.end();
  });
}
