import { Duplex } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { format } from 'node:util';
import type { Metadata } from '@grpc/grpc-js';
import { proxyVariableFor } from '@tpc/core';
import { BaseClient, type Endpoints, type MessageQueue, type TopicRouteData } from 'rocketmq-client-nodejs';
import definition, { type Status } from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/definition_pb.js';
import { type BrokerLogger, DEFAULT_REQUEST_TIMEOUT_MS, loggerOf, type RocketMqConnection, SILENT_LOGGER } from './connection.ts';
import { describeCode } from './refusals.ts';
import { isLinkFailure, type LinkObserver, RpcLink } from './rpc-link.ts';

const { Permission } = definition;

/** The broker's queue 0 stands for all queues of that broker: it spreads what is sent, and one receive takes from all of them. */
const QUEUE_FOR_ALL = 0;
const NOTIFY_TIMEOUT_MS = 1_000;

/** Where the requests for a topic go: one broker. */
export type Target = { brokerName: string; endpoints: Endpoints; queue: MessageQueue };

/**
 * The client library's base client, with what it lacks: it starts without waiting for the network, survives a topic that does not exist,
 * keeps its routes' addresses stable, reports the state of the link, and can leave while the broker is away.
 */
export abstract class LinkedClient extends BaseClient {
  readonly link: RpcLink;
  protected readonly timeoutMs: number;
  readonly #settings = Promise.withResolvers<void>();
  #left = false;

  constructor(connection: RocketMqConnection, observer: LinkObserver) {
    const logger = loggerOf(connection);
    const requestTimeout = connection.requestTimeoutMs ?? DEFAULT_REQUEST_TIMEOUT_MS;
    super({
      endpoints: connection.endpoints,
      namespace: connection.namespace ?? '',
      requestTimeout,
      logger: asDebugLog(logger),
      ...(connection.credentials ? { sessionCredentials: withoutUndefined(connection.credentials) } : {}),
    });
    const proxy = proxyVariableFor(connection.endpoints);
    if (proxy !== undefined) logger.info({ endpoints: connection.endpoints, proxy }, 'the broker is reached through a proxy of the environment');
    this.timeoutMs = requestTimeout;
    this.#settings.promise.catch(() => undefined); // Who waits for them handles it; a publisher does not wait.
    this.link = new RpcLink({ tls: connection.tls ?? false, metadata: () => this.getRequestMetadata(), observer });
    this.rpcClientManager.close();
    // The base class has no other way to be given its connections; RpcLink has all methods that it calls.
    (this as unknown as { rpcClientManager: RpcLink }).rpcClientManager = this.link;
  }

  /**
   * Starts the client's heartbeats and refreshes. Nothing here touches the network yet. What the base class may wait for afterwards, the
   * settings of topics that it has learned in between, it would wait for without end; nobody here needs it.
   */
  begin(): void {
    this.startup().catch((error) => this.logger.error('startup failed: %s', error));
  }

  /** Resolves when the broker has answered with its settings for this client. */
  settingsArrived(): Promise<void> {
    return this.#settings.promise;
  }

  /**
   * The brokers that take or give messages of a topic.
   * @throws ServiceError when the broker is away, ClientException with the broker's code when it refuses the topic
   */
  async targets(topic: string, direction: 'read' | 'write'): Promise<Target[]> {
    const wanted = direction === 'read' ? Permission.READ : Permission.WRITE;
    const queues = (await this.getRouteData(topic)).messageQueues;
    return queues
      .filter((queue) => queue.queueId === QUEUE_FOR_ALL && (queue.permission === wanted || queue.permission === Permission.READ_WRITE))
      .map((queue) => ({ brokerName: queue.broker.name, endpoints: queue.broker.endpoints, queue }));
  }

  /** Asks for the route anew at the next need. */
  forgetRoute(topic: string): void {
    this.topicRouteCache.delete(topic);
  }

  /** Leaves the broker and frees timers, streams and connections, also when the broker is away. Never rejects. */
  async leave(): Promise<void> {
    if (this.#left) return;
    const endpoints = super.getTotalRouteEndpoints().filter((each) => !this.link.isAway(each));
    this.#left = true;
    const request = this.wrapNotifyClientTerminationRequest();
    await nextTurn(); // A client that has just begun has set its timers by then, and shutdown finds them.
    await Promise.allSettled(endpoints.map(async (each) => this.link.notifyClientTermination(each, request, NOTIFY_TIMEOUT_MS)));
    await super.shutdown();
  }

  /** None once it leaves: the base class would ask each of them again before it frees anything, and stop at the first that is away. */
  protected override getTotalRouteEndpoints(): Endpoints[] {
    return this.#left ? [] : super.getTotalRouteEndpoints();
  }

  /** The base class gives up at the first topic without a route, and replaces equal routes by new objects each 30 s. */
  protected override async updateRoutes(): Promise<void> {
    for (const topic of [...this.topics]) {
      const known = this.topicRouteCache.get(topic);
      this.topicRouteCache.delete(topic);
      try {
        const fresh = await this.getRouteData(topic);
        if (known?.equals(fresh)) this.topicRouteCache.set(topic, known);
      } catch (error) {
        if (known && !this.#left) this.topicRouteCache.set(topic, known);
        this.logger.warn('no fresh route for topic=%s: %s', topic, error);
      }
    }
  }

  /** A topic that the broker does not know must not stay in the set that is refreshed and announced. */
  protected override async getRouteData(topic: string): Promise<TopicRouteData> {
    const known = this.topics.has(topic);
    try {
      return await super.getRouteData(topic);
    } catch (error) {
      if (!known) this.topics.delete(topic);
      throw error;
    }
  }

  /** Only that they arrived counts. The base class would also apply them, and throws inside the stream on a retry policy of another kind. */
  override onSettingsCommand(): void {
    this.#settings.resolve();
  }

  /** So the broker says that it refuses this client, for example because its group does not exist. */
  override onUnknownCommand(_endpoints: Endpoints, status?: Status.AsObject): void {
    if (status && status.code !== definition.Code.OK) this.#settings.reject(new Error(`${describeCode(status.code)} ${status.message}`));
  }

  /** A session that lost its stream makes a new one after a second, also when the client has left by then. */
  override createTelemetryStream(endpoints: Endpoints): ReturnType<BaseClient['createTelemetryStream']> {
    if (this.#left) return inertStream();
    const stream = this.link.telemetry(endpoints, this.getRequestMetadata() as Metadata);
    // RocketMQ ends the stream of a client that it does not want, for example of a group that it does not know.
    stream.once('error', (error) => {
      if (!isLinkFailure(error)) this.#settings.reject(error);
    });
    return stream;
  }
}

function inertStream(): ReturnType<BaseClient['createTelemetryStream']> {
  const stream = new Duplex({
    objectMode: true,
    read() {
      // Nothing ever comes: the client has left.
    },
    write: (_chunk, _encoding, done) => done(),
  });
  return stream as unknown as ReturnType<BaseClient['createTelemetryStream']>;
}

/** What the client library says is for those who look for its faults; the adapter itself logs what matters to operators. */
function asDebugLog(logger: BrokerLogger): { info: Say; warn: Say; error: Say; debug: Say } {
  const say: Say = logger === SILENT_LOGGER ? () => undefined : (...args) => logger.debug({ said: format(...args) }, 'rocketmq client');
  return { info: say, warn: say, error: say, debug: () => undefined };
}

type Say = (...args: unknown[]) => void;

function withoutUndefined(credentials: NonNullable<RocketMqConnection['credentials']>) {
  const { accessKey, accessSecret, securityToken } = credentials;
  return securityToken === undefined ? { accessKey, accessSecret } : { accessKey, accessSecret, securityToken };
}
