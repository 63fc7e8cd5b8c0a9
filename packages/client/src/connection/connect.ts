import { type ChannelCredentials, Client, type ClientOptions, credentials as grpcCredentials, type Interceptor, Metadata } from '@grpc/grpc-js';
import { proxyOptions, proxyVariableFor } from '@tpc/core';
import { ReliableMessageServiceService } from '@tpc/gen/tpc/v1/reliable_message_service';
import { authorizationOf, type TokenSource } from './token.ts';
import { TpcError, toTpcError } from './tpc-error.ts';

type Service = typeof ReliableMessageServiceService;
type RequestOf<M extends keyof Service> = ReturnType<Service[M]['requestDeserialize']>;
type ResponseOf<M extends keyof Service> = ReturnType<Service[M]['responseDeserialize']>;

export type TpcCallOptions = {
  /** Longest wait for the answer, milliseconds. Default: the connection's. */
  deadlineMs?: number;
  /** Ends the call early; it rejects with CANCELLED. */
  signal?: AbortSignal;
  /** Further gRPC metadata of this call, for example traceparent. */
  metadata?: Readonly<Record<string, string>>;
};

/** Every method of ReliableMessageService as a promise; rejects with TpcError. */
export type TpcClient = {
  readonly [M in keyof Service]: (request: RequestOf<M>, options?: TpcCallOptions) => Promise<ResponseOf<M>>;
};

/** A connection to TPC, shared by producers and consumers of the process. */
export type TpcConnection = TpcClient & {
  readonly address: string;
  /** Calls go in turn to all addresses that the name leads to: one that is not answered says nothing about the next. */
  readonly spread: boolean;
  /** Ends the channel; calls under way reject. */
  close(): void;
};

export type ConnectTpcOptions = {
  /**
   * Host and port, or any target of gRPC. With one that has a scheme (`dns:///tpc-headless:50051`, `ipv4:10.0.0.1:50051,10.0.0.2:50051`) the calls
   * go in turn to all addresses that it leads to.
   */
  address: string;
  /** Default: no TLS. See tlsCredentials. */
  credentials?: ChannelCredentials | undefined;
  /**
   * Token of the producer or consumer group, sent as `authorization: Bearer …`. A function is asked at every call, so a rotated token is taken without a
   * restart; see tokenFromFile.
   */
  token?: TokenSource | undefined;
  /** Default for calls without their own, milliseconds. Default 10,000. */
  deadlineMs?: number;
  /** Interceptors of grpc-js, outermost first, for example of a tracer. */
  interceptors?: Interceptor[];
};

export const DEFAULT_DEADLINE_MS = 10_000;
/** Above the largest batch (2 MiB) with room for its headers, in both directions. */
const MAX_MESSAGE_BYTES = 8 * 1024 * 1024;

const CHANNEL_OPTIONS: ClientOptions = {
  'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
  'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
  // A peer that froze or vanished without a word is found within 10 s + 5 s, also by the idle long poll.
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 5_000,
  'grpc.keepalive_permit_without_calls': 1,
  // After a restart of TPC the connection is back within seconds, not within grpc's two minutes.
  'grpc.initial_reconnect_backoff_ms': 200,
  'grpc.min_reconnect_backoff_ms': 200,
  'grpc.max_reconnect_backoff_ms': 5_000,
  // The library repeats by its own rules; a hidden repetition would only lengthen the waits.
  'grpc.enable_retries': 0,
};

/**
 * A replica that leaves nearly all of its calls without a good answer gets none for a while, and for longer each time: one that froze would cost every
 * second call its deadline until the keepalive finds it. At most half of the replicas are left out, so what all of them refuse goes on as it was.
 */
const WITHOUT_OUTLIERS = {
  interval: { seconds: 1, nanos: 0 },
  base_ejection_time: { seconds: 5, nanos: 0 },
  max_ejection_time: { seconds: 30, nanos: 0 },
  max_ejection_percent: 50,
  failure_percentage_ejection: { threshold: 85, enforcement_percentage: 100, minimum_hosts: 2, request_volume: 3 },
  child_policy: [{ round_robin: {} }],
};

/** Calls go to each replica in turn, and the name is looked up again soon after one has gone. */
const SPREAD: ClientOptions = {
  'grpc.service_config': JSON.stringify({ loadBalancingConfig: [{ outlier_detection: WITHOUT_OUTLIERS }] }),
  'grpc.dns_min_time_between_resolutions_ms': 5_000,
  // A replica that stops refuses what crosses its farewell on the way. It has not looked at it, so it goes to the next replica, at once.
  'grpc.enable_retries': 1,
};
/** A bare host is one server that may have several addresses (`localhost` in IPv4 and IPv6), of which one is enough. */
const HAS_SCHEME = /^(dns|ipv4|ipv6):/;

/**
 * Opens a connection to TPC. Answers at once: the channel connects with the first call and reconnects by itself with a growing wait;
 * a call while TPC is away rejects with `unavailable`.
 */
export function connectTpc(options: ConnectTpcOptions): TpcConnection {
  const { address, token, deadlineMs = DEFAULT_DEADLINE_MS, interceptors = [] } = options;
  const spread = HAS_SCHEME.test(address);
  const channel = new Client(address, options.credentials ?? grpcCredentials.createInsecure(), {
    ...CHANNEL_OPTIONS,
    ...(spread ? SPREAD : {}),
    ...proxyOptions(address),
    interceptors,
  });
  const proxy = proxyVariableFor(address);
  const methods: Record<string, unknown> = {};
  for (const [name, definition] of Object.entries(ReliableMessageServiceService)) {
    methods[name] = async (request: unknown, call: TpcCallOptions = {}) =>
      unary(channel, definition as AnyMethod, request, {
        deadlineMs: call.deadlineMs ?? deadlineMs,
        metadata: { ...authorization(token), ...call.metadata },
        signal: call.signal,
        proxy,
      });
  }
  return Object.assign(methods as TpcClient, { address, spread, close: () => channel.close() });
}

/** A token that cannot be had or sent is a fault of the link, as a wrong one is; nothing was sent. */
function authorization(token: TokenSource | undefined): Record<string, string> {
  try {
    return authorizationOf(token);
  } catch (error) {
    throw new TpcError(`no token: ${(error as Error).message}`, { ...NO_DETAILS, status: 'UNAUTHENTICATED', reason: 'TOKEN_UNUSABLE' });
  }
}

const NO_DETAILS = { field: '', metadata: {}, retryAfterMs: undefined };

/** A method without its types: they are given back by TpcClient. */
type AnyMethod = { path: string; requestSerialize: (value: unknown) => Buffer; responseDeserialize: (bytes: Buffer) => unknown };
type Call = {
  deadlineMs: number;
  metadata: Readonly<Record<string, string>>;
  signal: AbortSignal | undefined;
  /** Variable of the environment whose proxy stands in between. */
  proxy: string | undefined;
};

function unary(channel: Client, method: AnyMethod, request: unknown, { deadlineMs, metadata, signal, proxy }: Call): Promise<unknown> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(cancelledBeforeStart());
      return;
    }
    const headers = new Metadata();
    for (const [name, value] of Object.entries(metadata)) headers.set(name, value);
    const cancel = () => call.cancel();
    const call = channel.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      headers,
      { deadline: Date.now() + deadlineMs },
      (error, response) => {
        signal?.removeEventListener('abort', cancel);
        if (error) reject(toTpcError(error, proxy));
        else resolve(response);
      },
    );
    signal?.addEventListener('abort', cancel, { once: true });
  });
}

function cancelledBeforeStart(): TpcError {
  return new TpcError('cancelled before it was sent', { ...NO_DETAILS, status: 'CANCELLED', reason: '' });
}
