import { hostname } from 'node:os';
import timestampPb from 'google-protobuf/google/protobuf/timestamp_pb.js';
import { ExponentialBackoffRetryPolicy, PublishingSettings, type Settings } from 'rocketmq-client-nodejs';
import definition, { type Message } from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/definition_pb.js';
import service, {
  type HeartbeatRequest,
  type NotifyClientTerminationRequest,
  type SendMessageResponse,
} from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/service_pb.js';
import type { OutgoingBrokerMessage } from '../port.ts';
import type { RocketMqConnection } from './connection.ts';
import { LinkedClient, type Target } from './linked-client.ts';
import type { LinkObserver } from './rpc-link.ts';

const { ClientType, Encoding, MessageType } = definition;
const HOST = hostname();
/** Retries are the business of whoever publishes; the number is only announced. */
const ANNOUNCED_ATTEMPTS = 1;

/** The client object behind a publisher. */
export class PublishingClient extends LinkedClient {
  readonly #settings: PublishingSettings;

  constructor(connection: RocketMqConnection, observer: LinkObserver) {
    super(connection, observer);
    const policy = ExponentialBackoffRetryPolicy.immediatelyRetryPolicy(ANNOUNCED_ATTEMPTS);
    this.#settings = new PublishingSettings(this.namespace, this.clientId, this.endpoints, policy, this.requestTimeout, this.topics);
  }

  /** Asks the broker for a sign of life. Any answer, also a refusal, is one. */
  async probe(): Promise<void> {
    await this.link.heartbeat(this.endpoints, this.wrapHeartbeatRequest(), this.timeoutMs);
  }

  /** Sends messages of one topic in one request. */
  send(target: Target, messages: readonly { id: string; message: OutgoingBrokerMessage }[]): Promise<SendMessageResponse> {
    const request = new service.SendMessageRequest();
    for (const { id, message } of messages) request.addMessages(this.#toWire(id, message, target.queue.queueId));
    return this.link.sendMessage(target.endpoints, request, this.timeoutMs);
  }

  protected override getSettings(): Settings {
    return this.#settings;
  }

  protected override wrapHeartbeatRequest(): HeartbeatRequest {
    return new service.HeartbeatRequest().setClientType(ClientType.PRODUCER);
  }

  protected override wrapNotifyClientTerminationRequest(): NotifyClientTerminationRequest {
    return new service.NotifyClientTerminationRequest();
  }

  #toWire(id: string, message: OutgoingBrokerMessage, queueId: number): Message {
    const born = new timestampPb.Timestamp();
    born.fromDate(new Date());
    const system = new definition.SystemProperties()
      .setKeysList([...message.keys])
      .setMessageId(id)
      .setBornTimestamp(born)
      .setBornHost(HOST)
      .setBodyEncoding(Encoding.IDENTITY)
      .setMessageType(MessageType.NORMAL)
      .setQueueId(queueId);
    if (message.tag !== '') system.setTag(message.tag);
    const topic = new definition.Resource().setName(message.topic).setResourceNamespace(this.namespace);
    const wire = new definition.Message().setTopic(topic).setBody(message.body).setSystemProperties(system);
    const properties = wire.getUserPropertiesMap();
    for (const [name, value] of Object.entries(message.properties)) properties.set(name, value);
    return wire;
  }
}
