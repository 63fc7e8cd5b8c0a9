import { logVerbosity, Server, ServerCredentials, setLogVerbosity } from '@grpc/grpc-js';
import { OPEN_AUTHENTICATOR } from '../auth/authenticator.ts';
import { createAdmission } from '../grpc/admission.ts';
import { bind } from '../grpc/bind.ts';
import { type ConnectionLimits, limitConnections } from '../grpc/connection-limits.ts';
import { optionalPortSetting } from '../host/config.ts';
import type { Running } from '../host/lifecycle.ts';
import { HealthEntries } from './health-service.ts';

/** Setting of the health port, the same in every service. */
export const healthSettings = {
  HEALTH_PORT: optionalPortSetting().describe(
    'Port of grpc.health.v1 alone, in plain text, open from the first moment, for probes of Kubernetes (which speak no TLS). Empty: health stands on the gRPC port only.',
  ),
};

/** A probe makes a connection and closes it again. */
const LIMITS: ConnectionLimits = { GRPC_MAX_CONNECTIONS: 1_000, GRPC_MAX_CONNECTIONS_PER_ADDRESS: 100 };

/** Entry that is SERVING as long as the process works at all, whatever is away outside: what liveness asks for. */
export const LIVE = 'live';

/** Entries of a service that has just begun: live, not ready. The empty name is readiness. */
export function createHealthEntries(): HealthEntries {
  return new HealthEntries({ '': 'NOT_SERVING', [LIVE]: 'SERVING' });
}

export interface HealthServer extends Running {
  /** Shared with the service's gRPC server, which sets them. */
  readonly entries: HealthEntries;
  /** Undefined where none was asked for. */
  readonly port: number | undefined;
}

/**
 * Serves a service's health on a port of its own, before anything else of it is there and until all else has stopped: a database that is away at the
 * start must not get the process killed.
 * @param port undefined: none; 0: the system chooses
 * @throws StartError naming HEALTH_PORT when the port is taken
 */
export async function startHealthServer({ host, port }: { host: string; port: number | undefined }): Promise<HealthServer> {
  const entries = createHealthEntries();
  if (port === undefined) return { entries, port: undefined, stop: async () => undefined };
  setLogVerbosity(logVerbosity.NONE);
  const nobodyIsRefused = () => undefined;
  const { interceptor } = createAdmission({
    domain: 'grpc.health.v1',
    authenticator: OPEN_AUTHENTICATOR,
    openTo: new Set(),
    onRefused: nobodyIsRefused,
    onAnswered: nobodyIsRefused,
  });
  const server = new Server({ interceptors: [interceptor] });
  entries.addToServer(server);
  const bound = await bind(server, { host, port, portSetting: 'HEALTH_PORT' }, ServerCredentials.createInsecure());
  limitConnections(server, LIMITS);
  // Nothing there is worth waiting for.
  return { entries, port: bound, stop: async () => server.forceShutdown() };
}
