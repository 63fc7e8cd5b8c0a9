import {
  type handleServerStreamingCall,
  type handleUnaryCall,
  type Server,
  type ServerWritableStream,
  type ServiceDefinition,
  status,
} from '@grpc/grpc-js';
import {
  HealthCheckResponse_ServingStatus as Health,
  type HealthCheckRequest,
  type HealthCheckResponse,
  type HealthListRequest,
  type HealthListResponse,
  HealthService,
} from '@tpc/gen/grpc/health/v1/health';
import { AppError } from '../errors.ts';
import { isUnreadable, tolerantDefinition } from '../grpc/requests.ts';
import { toServiceError } from '../grpc/status-details.ts';

/** Most bytes of a question about health: everybody may ask, and real names are short. */
const MAX_QUESTION_BYTES = 1_024;

/** ErrorInfo.domain of the service's own errors. */
const DOMAIN = 'grpc.health.v1';

type ServingStatus = HealthCheckResponse['status'];
type WatchCall = ServerWritableStream<HealthCheckRequest, HealthCheckResponse>;

/**
 * The states of grpc.health.v1, by name, and the service that tells them to everybody who asks. The kept library writes each state to each watcher,
 * whether it has changed and whether anybody reads, and keeps every name that was ever asked for.
 */
export class HealthEntries {
  readonly #states: Map<string, ServingStatus>;
  readonly #watchers = new Set<() => void>();

  constructor(states: Readonly<Record<string, 'SERVING' | 'NOT_SERVING'>>) {
    this.#states = new Map(Object.entries(states).map(([name, state]) => [name, Health[state]]));
  }

  setStatus(name: string, state: 'SERVING' | 'NOT_SERVING'): void {
    this.#states.set(name, Health[state]);
    for (const look of this.#watchers) look();
  }

  /** @param server one that bounds the streams which are open at once (createAdmission) */
  addToServer(server: Server): void {
    const check: handleUnaryCall<HealthCheckRequest, HealthCheckResponse> = ({ request }, callback) => {
      if (isUnreadable(request)) return callback(toServiceError(request.error, DOMAIN));
      const state = this.#states.get(request.service);
      if (state === undefined) return callback(toServiceError(unknownName(request.service), DOMAIN));
      callback(null, { status: state });
    };
    const list: handleUnaryCall<HealthListRequest, HealthListResponse> = (_call, callback) => {
      callback(null, { statuses: Object.fromEntries([...this.#states].map(([name, state]) => [name, { status: state }])) });
    };
    const watch: handleServerStreamingCall<HealthCheckRequest, HealthCheckResponse> = (call) => this.#watch(call);
    server.addService(tolerantDefinition(HealthService as unknown as ServiceDefinition, MAX_QUESTION_BYTES), { check, list, watch });
  }

  #watch(call: WatchCall): void {
    const { request } = call;
    if (isUnreadable(request)) return void call.emit('error', toServiceError(request.error, DOMAIN));
    let told: ServingStatus | undefined;
    let writing = false;
    // At most one answer is on its way; once it has left the newest state follows, so an unread stream holds no more than that.
    const look = () => {
      const state = this.#states.get(request.service) ?? Health.SERVICE_UNKNOWN;
      if (writing || state === told) return;
      writing = true;
      told = state;
      call.write({ status: state }, (error: unknown) => {
        writing = false;
        if (!error) look();
      });
    };
    this.#watchers.add(look);
    call.once('close', () => this.#watchers.delete(look));
    look();
  }
}

function unknownName(name: string): AppError {
  return new AppError({
    status: status.NOT_FOUND,
    reason: 'HEALTH_NAME_UNKNOWN',
    message: `No health is known of "${name}".`,
    metadata: { name },
  });
}
