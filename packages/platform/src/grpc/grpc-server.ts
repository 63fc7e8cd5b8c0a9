import { logVerbosity, Server, ServerCredentials, type ServiceDefinition, setLogVerbosity, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { descriptorSet } from '@tpc/gen/descriptors';
import { ServerReflectionService } from '@tpc/gen/grpc/reflection/v1/reflection';
import { ServerReflectionService as ServerReflectionV1AlphaService } from '@tpc/gen/grpc/reflection/v1alpha/reflection';
import { HealthImplementation } from 'grpc-health-check';
import { StartError } from '../errors.ts';
import type { Running } from '../lifecycle.ts';
import type { Log } from '../log.ts';
import { createReflection } from './reflection.ts';
import { MAX_REQUEST_BYTES, toGrpcHandlers, tolerantDefinition, type UnaryHandlers } from './unary.ts';

/** grpc-js itself cuts off only above this, so that a request over MAX_REQUEST_BYTES gets our typed answer. */
const HARD_REQUEST_BYTES = 4 * MAX_REQUEST_BYTES;
/** How long calls in flight may take at a stop, milliseconds. */
const DRAIN_MS = 5_000;

export type ServiceEntry = { definition: ServiceDefinition; handlers: Record<string, unknown> };

/** Pairs a generated service definition with typed handlers. */
export function serve<S extends object>(definition: S, handlers: UnaryHandlers<S>): ServiceEntry {
  return { definition: definition as unknown as ServiceDefinition, handlers: handlers as Record<string, unknown> };
}

export type GrpcServerOptions = {
  host: string;
  /** 0: the system chooses. */
  port: number;
  /** Name of the port's setting, for the error line when it is taken. */
  portSetting: string;
  /** ErrorInfo.domain, for example "tpc". */
  domain: string;
  services: readonly ServiceEntry[];
  log: Log;
};

export interface GrpcServer extends Running {
  readonly port: number;
  /**
   * Sets the state of a named part ("database", "broker") or, with an empty name, of the whole service in grpc.health.v1. Every served
   * service follows the whole.
   */
  setHealth(part: string, serving: boolean): void;
}

/**
 * Starts a gRPC server with the services, reflection (v1 and v1alpha) and grpc.health.v1. Begins as NOT_SERVING: call `setHealth('', true)`
 * when ready.
 * @throws StartError naming the setting when the port is taken
 */
export async function startGrpcServer(options: GrpcServerOptions): Promise<GrpcServer> {
  // grpc-js writes its own lines to stderr; what matters is said here, once.
  setLogVerbosity(logVerbosity.NONE);
  const stopping = new AbortController();
  const server = new Server({ 'grpc.max_receive_message_length': HARD_REQUEST_BYTES, 'grpc.max_send_message_length': HARD_REQUEST_BYTES });
  const names = options.services.map((service) => nameOf(service.definition));
  for (const service of options.services) {
    const handlers = toGrpcHandlers(service.handlers as never, { domain: options.domain, log: options.log, stopping: stopping.signal });
    server.addService(tolerantDefinition(service.definition), handlers as UntypedServiceImplementation);
  }
  const health = new HealthImplementation();
  health.addToServer(server as never);
  addReflection(server, names);
  const setHealth = (part: string, serving: boolean) => {
    for (const name of part === '' ? ['', ...names] : [part]) health.setStatus(name, serving ? 'SERVING' : 'NOT_SERVING');
  };
  setHealth('', false);
  const port = await bind(server, options);
  return {
    port,
    setHealth,
    stop: async () => {
      setHealth('', false);
      stopping.abort();
      await shutdown(server);
    },
  };
}

function addReflection(server: Server, names: readonly string[]): void {
  const all = [...names, 'grpc.health.v1.Health', 'grpc.reflection.v1.ServerReflection', 'grpc.reflection.v1alpha.ServerReflection'];
  const reflection = createReflection(descriptorSet, () => all);
  server.addService(ServerReflectionService, reflection);
  server.addService(ServerReflectionV1AlphaService, reflection);
}

function nameOf(definition: ServiceDefinition): string {
  return Object.values(definition)[0]?.path.split('/')[1] ?? '';
}

function bind(server: Server, { host, port, portSetting }: GrpcServerOptions): Promise<number> {
  const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  return new Promise((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (error, bound) => {
      if (error) reject(new StartError(`${portSetting}: cannot listen on ${address}: ${reasonOf(error)}`, { cause: error }));
      else resolve(bound);
    });
  });
}

function reasonOf(error: Error): string {
  return error.message.includes('EADDRINUSE') ? 'the port is taken' : error.message;
}

function shutdown(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const force = setTimeout(() => {
      server.forceShutdown();
      resolve();
    }, DRAIN_MS);
    server.tryShutdown(() => {
      clearTimeout(force);
      resolve();
    });
  });
}
