import { type CallOptions, ChannelCredentials, type ClientUnaryCall, status as GrpcStatus, type Metadata, type ServiceError } from '@grpc/grpc-js';
import { proxyOptions } from '@tpc/core';
import type { Endpoints } from 'rocketmq-client-nodejs';
import type { MessagingServiceClient } from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/service_grpc_pb.js';
import serviceGrpc from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/service_grpc_pb.js';
import type {
  AckMessageRequest,
  AckMessageResponse,
  HeartbeatRequest,
  HeartbeatResponse,
  NotifyClientTerminationRequest,
  NotifyClientTerminationResponse,
  QueryRouteRequest,
  QueryRouteResponse,
  ReceiveMessageRequest,
  ReceiveMessageResponse,
  SendMessageRequest,
  SendMessageResponse,
} from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/service_pb.js';

/** Reconnects within seconds also after a long outage; gRPC's own default grows to two minutes. */
const CHANNEL_OPTIONS = {
  'grpc.initial_reconnect_backoff_ms': 200,
  'grpc.max_reconnect_backoff_ms': 2_000,
  // Connections of its own: those of gRPC's pool outlive a client as long as another one of the process has them too, also when they are dead.
  'grpc.use_local_subchannel_pool': 1,
  'grpc.max_receive_message_length': -1,
  'grpc.max_send_message_length': -1,
};

/** After so many deadlines in a row a connection is taken for dead and replaced. */
const DEADLINES_UNTIL_REPLACED = 2;

/**
 * RocketMQ answers an idle long poll only when it is over; the embedded broker sends its headers with this one as soon as the poll waits,
 * so that a new group is known to exist after milliseconds and not after the length of a poll.
 */
const POLL_REGISTERED_HEADER = 'x-poll-registered';

type CallUnderWay = { target: string; cancel(): void };

/** Told how each call went at its address. */
export type LinkObserver = { up(address: string): void; down(address: string, error: string): void };

/** True for failures that say nothing about the request: the broker was not reached, or did not answer in time. */
export function isLinkFailure(error: unknown): boolean {
  const code = (error as Partial<ServiceError>).code;
  return code === GrpcStatus.UNAVAILABLE || code === GrpcStatus.DEADLINE_EXCEEDED || code === GrpcStatus.CANCELLED;
}

type Unary<Q, S> = (
  request: Q,
  metadata: Metadata,
  options: Partial<CallOptions>,
  callback: (error: ServiceError | null, response: S) => void,
) => ClientUnaryCall;

/**
 * The connections of one client object, one per address; stands in for the client's own `RpcClientManager`. That one opens a channel for
 * every refresh of a route, waits up to two minutes before it reconnects, cannot cancel a long poll, and opens channels again after its
 * end. Methods that the base client calls keep its names and arguments.
 */
export class RpcLink {
  readonly #stubs = new Map<string, MessagingServiceClient>();
  readonly #deadlines = new Map<string, number>();
  readonly #away = new Set<string>();
  readonly #underWay = new Set<CallUnderWay>();
  readonly #polls = new Set<CallUnderWay>();
  readonly #credentials: ChannelCredentials;
  readonly #metadata: () => Metadata;
  readonly #observer: LinkObserver;
  #closed = false;

  constructor(options: { tls: boolean | { ca: Buffer }; metadata: () => Metadata; observer: LinkObserver }) {
    const ca = typeof options.tls === 'object' ? options.tls.ca : null;
    this.#credentials = options.tls ? ChannelCredentials.createSsl(ca) : ChannelCredentials.createInsecure();
    this.#metadata = options.metadata;
    this.#observer = options.observer;
  }

  queryRoute(endpoints: Endpoints, request: QueryRouteRequest, timeoutMs: number): Promise<QueryRouteResponse> {
    return this.#unary(endpoints, (stub) => stub.queryRoute.bind(stub), request, timeoutMs);
  }

  heartbeat(endpoints: Endpoints, request: HeartbeatRequest, timeoutMs: number): Promise<HeartbeatResponse> {
    return this.#unary(endpoints, (stub) => stub.heartbeat.bind(stub), request, timeoutMs);
  }

  sendMessage(endpoints: Endpoints, request: SendMessageRequest, timeoutMs: number): Promise<SendMessageResponse> {
    return this.#unary(endpoints, (stub) => stub.sendMessage.bind(stub), request, timeoutMs);
  }

  ackMessage(endpoints: Endpoints, request: AckMessageRequest, timeoutMs: number): Promise<AckMessageResponse> {
    return this.#unary(endpoints, (stub) => stub.ackMessage.bind(stub), request, timeoutMs);
  }

  notifyClientTermination(
    endpoints: Endpoints,
    request: NotifyClientTerminationRequest,
    timeoutMs: number,
  ): Promise<NotifyClientTerminationResponse> {
    return this.#unary(endpoints, (stub) => stub.notifyClientTermination.bind(stub), request, timeoutMs);
  }

  /** The stream over which client and broker exchange settings; it also shows first when the broker goes or returns. */
  telemetry(endpoints: Endpoints, metadata: Metadata): ReturnType<MessagingServiceClient['telemetry']> {
    const target = endpoints.getGrpcTarget();
    const stream = this.#stub(target).telemetry(metadata);
    const call = { target, cancel: () => stream.cancel() };
    this.#underWay.add(call);
    const settled = () => this.#underWay.delete(call);
    stream.on('data', () => this.#answered(target));
    stream.on('error', (error: ServiceError) => {
      settled();
      this.#failed(target, error);
    });
    stream.on('end', settled);
    // The client takes all listeners off a stream that it lets go; a late error without a listener would end the process.
    const removeAll = stream.removeAllListeners.bind(stream);
    stream.removeAllListeners = (event?: string | symbol) => {
      if (event === undefined) removeAll();
      else removeAll(event);
      stream.on('error', settled);
      stream.on('end', settled);
      stream.resume();
      return stream;
    };
    return stream;
  }

  /**
   * One long poll.
   * @param onRegistered called when a broker that can tell has told that the poll waits, so that it knows the group
   * @returns all parts of the answer
   * @throws ServiceError
   */
  receiveMessage(
    endpoints: Endpoints,
    request: ReceiveMessageRequest,
    timeoutMs: number,
    onRegistered: () => void,
  ): Promise<ReceiveMessageResponse[]> {
    const target = endpoints.getGrpcTarget();
    return new Promise((resolve, reject) => {
      const parts: ReceiveMessageResponse[] = [];
      const stream = this.#stub(target).receiveMessage(request, this.#metadata(), { deadline: Date.now() + timeoutMs });
      const call = { target, cancel: () => stream.cancel() };
      this.#underWay.add(call);
      this.#polls.add(call);
      const settled = () => {
        this.#underWay.delete(call);
        this.#polls.delete(call);
      };
      stream.on('metadata', (headers: Metadata) => {
        this.#answered(target);
        if (headers.get(POLL_REGISTERED_HEADER).length > 0) onRegistered();
      });
      stream.on('data', (part: ReceiveMessageResponse) => parts.push(part));
      stream.on('error', (error: ServiceError) => {
        settled();
        this.#failed(target, error);
        reject(error);
      });
      stream.on('end', () => {
        settled();
        resolve(parts);
      });
    });
  }

  /** True when the last call to this address did not reach it. */
  isAway(endpoints: Endpoints): boolean {
    return this.#away.has(endpoints.getGrpcTarget());
  }

  /** Ends all long polls with CANCELLED. */
  cancelPolls(): void {
    for (const call of [...this.#polls]) call.cancel();
  }

  close(): void {
    this.#closed = true;
    for (const call of [...this.#underWay]) call.cancel();
    for (const stub of this.#stubs.values()) stub.close();
    this.#stubs.clear();
  }

  #unary<Q, S>(endpoints: Endpoints, pick: (stub: MessagingServiceClient) => Unary<Q, S>, request: Q, timeoutMs: number): Promise<S> {
    const target = endpoints.getGrpcTarget();
    return new Promise((resolve, reject) => {
      const send = pick(this.#stub(target));
      const call: CallUnderWay = { target, cancel: () => clientCall.cancel() };
      this.#underWay.add(call);
      const clientCall = send(request, this.#metadata(), { deadline: Date.now() + timeoutMs }, (error, response) => {
        this.#underWay.delete(call);
        if (error) {
          this.#failed(target, error);
          reject(error);
        } else {
          this.#answered(target);
          resolve(response);
        }
      });
    });
  }

  #stub(target: string): MessagingServiceClient {
    if (this.#closed) throw Object.assign(new Error('the link to the broker is closed'), { code: GrpcStatus.CANCELLED });
    let stub = this.#stubs.get(target);
    if (!stub) {
      stub = new serviceGrpc.MessagingServiceClient(target, this.#credentials, { ...CHANNEL_OPTIONS, ...proxyOptions(target) });
      this.#stubs.set(target, stub);
    }
    return stub;
  }

  #answered(target: string): void {
    this.#deadlines.delete(target);
    this.#away.delete(target);
    if (!this.#closed) this.#observer.up(target);
  }

  #failed(target: string, error: ServiceError): void {
    if (this.#closed || error.code === GrpcStatus.CANCELLED) return;
    if (!isLinkFailure(error)) {
      this.#answered(target);
      return;
    }
    this.#away.add(target);
    this.#observer.down(target, error.details || error.message);
    if (error.code === GrpcStatus.DEADLINE_EXCEEDED) this.#countDeadline(target);
  }

  /** A connection whose peer vanished without a word stays "connected" for minutes; only deadlines tell. */
  #countDeadline(target: string): void {
    const count = (this.#deadlines.get(target) ?? 0) + 1;
    this.#deadlines.set(target, count);
    if (count < DEADLINES_UNTIL_REPLACED) return;
    this.#deadlines.delete(target);
    const stub = this.#stubs.get(target);
    this.#stubs.delete(target);
    for (const call of [...this.#underWay]) if (call.target === target) call.cancel();
    stub?.close();
  }
}
