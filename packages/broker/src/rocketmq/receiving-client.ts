import { gunzipSync } from 'node:zlib';
import { secondsAndNanos } from '@tpc/core';
import durationPb from 'google-protobuf/google/protobuf/duration_pb.js';
import { FilterExpression, type Settings, SimpleSubscriptionSettings } from 'rocketmq-client-nodejs';
import definition, { type Message } from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/definition_pb.js';
import service, { type HeartbeatRequest, type NotifyClientTerminationRequest } from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/service_pb.js';
import type { BrokerSubscription, ReceivedBrokerMessage } from '../port.ts';
import type { RocketMqConnection } from './connection.ts';
import { LinkedClient, type Target } from './linked-client.ts';
import { describeCode } from './refusals.ts';
import type { LinkObserver } from './rpc-link.ts';

const { ClientType, Code, Encoding } = definition;
const MAX_GUNZIPPED_BYTES = 16 * 1024 * 1024;

/** A message in hand, with the handle by which it is acknowledged. */
export type Delivery = { message: ReceivedBrokerMessage; receiptHandle: string };

export type ReceiveOptions = { batchSize: number; invisibleMs: number; pollMs: number };

/** What the broker answered for one entry of an acknowledgement. */
export type AckResult = { messageId: string; code: number; text: string };

/** The client object behind a subscriber: a simple consumer whose batches are acknowledged in one request. */
export class ReceivingClient extends LinkedClient {
  readonly #group: string;
  readonly #filters: Map<string, FilterExpression>;
  readonly #settings: SimpleSubscriptionSettings;

  constructor(
    connection: RocketMqConnection,
    observer: LinkObserver,
    options: { group: string; subscriptions: readonly BrokerSubscription[]; pollMs: number },
  ) {
    super(connection, observer);
    this.#group = options.group;
    this.#filters = new Map(options.subscriptions.map(({ topic, tags }) => [topic, new FilterExpression(tagExpression(tags))]));
    this.#settings = new SimpleSubscriptionSettings(
      this.namespace,
      this.clientId,
      ClientType.SIMPLE_CONSUMER,
      this.endpoints,
      options.group,
      this.requestTimeout,
      options.pollMs,
      this.#filters,
    );
  }

  /**
   * One long poll for a topic at one broker.
   * @param onRegistered called when a broker that can tell has told that the poll waits
   * @returns messages; none when the poll ran out
   * @throws ServiceError when the broker is away, Error with the broker's code and words when it refuses
   */
  async receive(target: Target, topic: string, options: ReceiveOptions, onRegistered: () => void): Promise<Delivery[]> {
    const request = new service.ReceiveMessageRequest()
      .setGroup(new definition.Resource().setName(this.#group))
      .setMessageQueue(target.queue.toProtobuf())
      .setFilterExpression(this.#filters.get(topic)!.toProtobuf())
      .setLongPollingTimeout(toDuration(options.pollMs))
      .setBatchSize(options.batchSize)
      .setAutoRenew(false)
      .setInvisibleDuration(toDuration(options.invisibleMs));
    const parts = await this.link.receiveMessage(target.endpoints, request, this.timeoutMs + options.pollMs, onRegistered);
    const deliveries: Delivery[] = [];
    for (const part of parts) {
      const status = part.getStatus();
      if (status && status.getCode() !== Code.OK && status.getCode() !== Code.MESSAGE_NOT_FOUND) {
        throw new Error(`${describeCode(status.getCode())} ${status.getMessage()}`);
      }
      const message = part.getMessage();
      if (message) deliveries.push(fromWire(message));
    }
    return deliveries;
  }

  /** Acknowledges deliveries of one topic in one request. */
  async acknowledge(target: Target, topic: string, deliveries: readonly Delivery[]): Promise<{ code: number; text: string; entries: AckResult[] }> {
    const request = new service.AckMessageRequest()
      .setGroup(new definition.Resource().setName(this.#group))
      .setTopic(new definition.Resource().setName(topic));
    for (const { message, receiptHandle } of deliveries) {
      request.addEntries().setMessageId(message.brokerMessageId).setReceiptHandle(receiptHandle);
    }
    const response = await this.link.ackMessage(target.endpoints, request, this.timeoutMs);
    const entries = response.getEntriesList().map((entry) => ({
      messageId: entry.getMessageId(),
      code: entry.getStatus()?.getCode() ?? Code.OK,
      text: entry.getStatus()?.getMessage() ?? '',
    }));
    return { code: response.getStatus()?.getCode() ?? Code.OK, text: response.getStatus()?.getMessage() ?? '', entries };
  }

  protected override getSettings(): Settings {
    return this.#settings;
  }

  protected override wrapHeartbeatRequest(): HeartbeatRequest {
    return new service.HeartbeatRequest().setClientType(ClientType.SIMPLE_CONSUMER).setGroup(new definition.Resource().setName(this.#group));
  }

  protected override wrapNotifyClientTerminationRequest(): NotifyClientTerminationRequest {
    return new service.NotifyClientTerminationRequest().setGroup(new definition.Resource().setName(this.#group));
  }
}

function tagExpression(tags: readonly string[]): string {
  return tags.length === 0 ? '*' : tags.join('||');
}

function toDuration(ms: number) {
  const { seconds, nanos } = secondsAndNanos(ms);
  return new durationPb.Duration().setSeconds(seconds).setNanos(nanos);
}

function fromWire(wire: Message): Delivery {
  const system = wire.getSystemProperties() ?? new definition.SystemProperties();
  const message: ReceivedBrokerMessage = {
    brokerMessageId: system.getMessageId(),
    topic: wire.getTopic()?.getName() ?? '',
    tag: system.getTag() ?? '',
    keys: system.getKeysList(),
    body: plainBody(wire.getBody_asU8(), system.getBodyEncoding()),
    properties: Object.fromEntries(wire.getUserPropertiesMap().entries()),
    deliveryAttempt: system.getDeliveryAttempt() ?? 1,
    storedAt: system.getStoreTimestamp()?.toDate().getTime(),
  };
  return { message, receiptHandle: system.getReceiptHandle() ?? '' };
}

/** A body that cannot be unpacked is handed on as it came: its reader refuses it, and the rest of its batch is not held up. */
function plainBody(body: Uint8Array, encoding: number): Uint8Array {
  if (encoding !== Encoding.GZIP) return body;
  try {
    return gunzipSync(body, { maxOutputLength: MAX_GUNZIPPED_BYTES });
  } catch {
    return body;
  }
}
