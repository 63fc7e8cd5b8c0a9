import type { Socket } from 'node:net';
import { logVerbosity, Server, type ServiceDefinition, setLogVerbosity, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { createNoopMeter, type Meter } from '@opentelemetry/api';
import { MAX_REQUEST_BYTES, type MessageTracer, withDeadline } from '@tpc/core';
import { descriptorSet } from '@tpc/gen/descriptors';
import { HealthService } from '@tpc/gen/grpc/health/v1/health';
import { ServerReflectionService } from '@tpc/gen/grpc/reflection/v1/reflection';
import { ServerReflectionService as ServerReflectionV1AlphaService } from '@tpc/gen/grpc/reflection/v1alpha/reflection';
import { type Access, type AccessOptions, openAccess } from '../auth/access.ts';
import { StartError } from '../errors.ts';
import { createHealthEntries } from '../health/health-server.ts';
import type { HealthEntries } from '../health/health-service.ts';
import { isLoopback } from '../host/config.ts';
import type { Running } from '../host/lifecycle.ts';
import { type Log, logPartsOf } from '../log/log.ts';
import type { ServiceTracing } from '../telemetry/call-spans.ts';
import { createCallHistogram, createHealthGauge } from '../telemetry/metrics-parts.ts';
import { createAdmission, type OnRefused } from './admission.ts';
import { bind, type ListenAddress } from './bind.ts';
import { type ConnectionLimits, DEFAULT_CONNECTION_LIMITS, limitConnections, listenersOf, type OnConnectionRefused } from './connection-limits.ts';
import { logService } from './log-service.ts';
import { createReflection } from './reflection.ts';
import { tolerantDefinition } from './requests.ts';
import { answerEach, type StreamOptions } from './stream.ts';
import { throttled } from './throttled.ts';
import { toGrpcHandlers, type UnaryHandlers } from './unary.ts';

/** grpc-js itself cuts off only above this, so that a request over MAX_REQUEST_BYTES gets our typed answer. */
const HARD_REQUEST_BYTES = 4 * MAX_REQUEST_BYTES;
/**
 * Connections are renewed after this time: so a replica that came later gets its share of the callers that look up its name, and a certificate or CA
 * that was replaced comes into use. Calls of the old one may go on for as long as the longest poll. Milliseconds.
 */
const CONNECTION_AGE_MS = 600_000;
const CONNECTION_GRACE_MS = 70_000;

/** Calls of one connection at once; a client keeps more of them back by itself. */
const MAX_STREAMS_PER_CONNECTION = 1_000;
/** Most bytes of a question to reflection. */
const MAX_QUESTION_BYTES = 4 * 1024;

/** How long calls in flight may take at a stop, milliseconds. */
const DRAIN_MS = 5_000;

export type ServiceEntry = {
  definition: ServiceDefinition;
  handlers: Record<string, unknown>;
  tracing?: ServiceTracing;
  /** Most bytes of a request of this service; longer ones are refused undecoded. Default: MAX_REQUEST_BYTES. */
  maxRequestBytes?: number;
};

/** Most bytes of a request of a service whose requests are a few short fields. */
export const SHORT_REQUEST_BYTES = 256 * 1024;

/** Pairs a generated service definition with typed handlers. */
export function serve<S extends object>(
  definition: S,
  handlers: UnaryHandlers<S>,
  more: Pick<ServiceEntry, 'tracing' | 'maxRequestBytes'> = {},
): ServiceEntry {
  return { definition: definition as unknown as ServiceDefinition, handlers: handlers as Record<string, unknown>, ...more };
}

export type GrpcServerOptions = ListenAddress & {
  /** ErrorInfo.domain, for example "tpc". */
  domain: string;
  services: readonly ServiceEntry[];
  /** Who may call, over which transport. Without it, everybody may, in plain text, on loopback only. */
  access?: AccessOptions;
  /** How many connections may be open. Default: DEFAULT_CONNECTION_LIMITS. */
  connections?: ConnectionLimits;
  /** Shared with a health port (startHealthServer). Default: its own. */
  health?: HealthEntries;
  /** Undefined: calls get no spans. */
  tracing?: MessageTracer | undefined;
  /** For the calls and the health entries. Default: none. */
  meter?: Meter;
  log: Log;
};

export interface GrpcServer extends Running {
  readonly port: number;
  /** Reads tokens and certificates again now; undefined where there are none. */
  readonly reload: (() => Promise<void>) | undefined;
  /**
   * Sets the state of a named part ("database", "broker") or, with an empty name, of the whole service in grpc.health.v1. Every served
   * service follows the whole.
   */
  setHealth(part: string, serving: boolean): void;
}

/**
 * Starts a gRPC server with the services, reflection (v1 and v1alpha), grpc.health.v1 and ops.v1.LogService. Begins as NOT_SERVING: call `setHealth('', true)`
 * when ready.
 * @throws StartError naming the setting when the port is taken, tokens or certificates cannot be used, or others than this machine could call
 * without a token
 */
export async function startGrpcServer(options: GrpcServerOptions): Promise<GrpcServer> {
  // grpc-js writes its own lines to stderr; what matters is said here, once.
  setLogVerbosity(logVerbosity.NONE);
  const access = openAccess(options.access ?? { tokensSetting: 'TOKENS_FILE', tokensFile: undefined, tls: {} }, options.log);
  try {
    refuseExposure(options, access);
    return await serveWith(options, access);
  } catch (error) {
    await access.stop();
    throw error;
  }
}

/** Everybody on the network could else speak for every producer, consumer and operator. */
function refuseExposure({ host, access: named, log }: GrpcServerOptions, { authenticator, credentials }: Access): void {
  if (authenticator.open && !isLoopback(host)) {
    const setting = named?.tokensSetting ?? 'a tokens file';
    throw new StartError(
      `BIND_HOST="${host}": without tokens only a loopback address (127.0.0.1, ::1, localhost) is allowed; make tokens by "npm run tokens" and set ${setting}`,
    );
  }
  if (authenticator.open) log.info({ host }, 'no tokens are configured: everybody on this machine may call everything');
  else if (!credentials._isSecure() && !isLoopback(host))
    log.warn({ host }, 'tokens and messages travel in plain text: set TLS_CERT_FILE and TLS_KEY_FILE');
}

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: the start, step by step, and what its handle does
async function serveWith(options: GrpcServerOptions, access: Access): Promise<GrpcServer> {
  const { log, domain, meter = createNoopMeter() } = options;
  const stopping = new AbortController();
  const onAnswered = createCallHistogram(meter);
  const onRefused = throttled<Parameters<OnRefused>[0]>(
    ({ reason }) => reason,
    (event, times) => log.warn({ ...event, times }, 'caller refused'),
  );
  const { interceptor, authenticatedCallOf } = createAdmission({
    domain,
    authenticator: access.authenticator,
    openTo: openMethods(options),
    onRefused,
    onAnswered,
  });
  const server = new Server({
    interceptors: [interceptor],
    'grpc.max_concurrent_streams': MAX_STREAMS_PER_CONNECTION,
    'grpc.max_receive_message_length': HARD_REQUEST_BYTES,
    'grpc.max_send_message_length': HARD_REQUEST_BYTES,
    'grpc.max_connection_age_ms': CONNECTION_AGE_MS,
    'grpc.max_connection_age_grace_ms': CONNECTION_GRACE_MS,
  });
  const parts = logPartsOf(log);
  const services: readonly ServiceEntry[] =
    parts === undefined ? options.services : [...options.services, { ...logService(parts), maxRequestBytes: SHORT_REQUEST_BYTES }];
  const names = services.map((service) => nameOf(service.definition));
  const common = { domain, log, stopping: stopping.signal, authenticatedCallOf, onRefused, onAnswered };
  for (const service of services) {
    const tracing = options.tracing && { ...service.tracing, tracing: options.tracing };
    const handlers = toGrpcHandlers(service.handlers as never, { ...common, tracing });
    server.addService(tolerantDefinition(service.definition, service.maxRequestBytes), handlers as UntypedServiceImplementation);
  }
  const health = options.health ?? createHealthEntries();
  health.addToServer(server);
  addReflection(server, names, common);
  const noteHealth = createHealthGauge(meter);
  const setHealth = (part: string, serving: boolean) => {
    noteHealth(part, serving);
    for (const name of part === '' ? ['', ...names] : [part]) health.setStatus(name, serving ? 'SERVING' : 'NOT_SERVING');
  };
  setHealth('', false);
  const port = await bind(server, options, access.credentials);
  logTlsProblems(server, log);
  limitConnections(server, options.connections ?? DEFAULT_CONNECTION_LIMITS, tellOfConnections(log));
  return {
    port,
    reload: access.reloadable ? async () => access.reload() : undefined,
    setHealth,
    stop: async () => {
      setHealth('', false);
      stopping.abort();
      await shutdown(server);
      await access.stop();
    },
  };
}

const REFLECTION_SERVICES = [ServerReflectionService, ServerReflectionV1AlphaService] as unknown as readonly ServiceDefinition[];

/** Probes have no token, so health is open; reflection only where a setting says so. */
function openMethods({ access }: GrpcServerOptions): ReadonlySet<string> {
  const open = access?.reflection === 'open' ? [HealthService as unknown as ServiceDefinition, ...REFLECTION_SERVICES] : [HealthService];
  return new Set(open.flatMap((definition) => Object.values(definition as ServiceDefinition).map(({ path }) => path)));
}

function addReflection(server: Server, names: readonly string[], options: StreamOptions): void {
  const all = [...names, 'grpc.health.v1.Health', 'grpc.reflection.v1.ServerReflection', 'grpc.reflection.v1alpha.ServerReflection'];
  const serverReflectionInfo = answerEach(createReflection(descriptorSet, all), options);
  for (const definition of REFLECTION_SERVICES) server.addService(tolerantDefinition(definition, MAX_QUESTION_BYTES), { serverReflectionInfo });
}

function nameOf(definition: ServiceDefinition): string {
  return Object.values(definition)[0]?.path.split('/')[1] ?? '';
}

/** Handshakes that fail reach no handler: a client in plain text, one that does not trust our certificate. grpc-js says nothing of them. */
function logTlsProblems(server: Server, log: Log): void {
  const say = throttled<{ problem: string; peer: string }>(
    ({ problem }) => problem,
    (event, times) => log.warn({ ...event, times }, 'TLS handshake failed'),
  );
  for (const http2Server of listenersOf(server)) {
    const tell = (error: NodeJS.ErrnoException, socket: Socket | undefined) =>
      say({ problem: error.code ?? 'unknown', peer: `${socket?.remoteAddress}:${socket?.remotePort}` });
    http2Server.on('tlsClientError', tell);
    // A client certificate whose signature is wrong breaks the connection after the handshake.
    http2Server.on('sessionError', (error: NodeJS.ErrnoException, session?: { socket?: Socket }) => {
      if (error.code?.startsWith('ERR_SSL')) tell(error, session?.socket);
    });
  }
}

function tellOfConnections(log: Log): OnConnectionRefused {
  return throttled<Parameters<OnConnectionRefused>[0]>(
    ({ limit }) => limit,
    (event, times) => log.warn({ ...event, times }, 'connection refused: too many are open'),
  );
}

async function shutdown(server: Server): Promise<void> {
  const drained = new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
  await withDeadline(drained, DRAIN_MS, () => server.forceShutdown());
}
