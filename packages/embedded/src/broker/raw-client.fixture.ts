import { ChannelCredentials, Metadata } from '@grpc/grpc-js';
import type { Message } from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/definition_pb.js';
import definition from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/definition_pb.js';
import serviceGrpc from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/service_grpc_pb.js';
import service, { type AckMessageResponse, type ReceiveMessageResponse } from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/service_pb.js';
import { toDuration } from './protocol/wire.ts';

const { Encoding, FilterType, MessageType } = definition;
type Callback<S> = (error: Error | null, response: S) => void;

/** Speaks the broker's protocol without any client library, so that tests can say what no library would. */
export class RawClient {
  readonly stub: InstanceType<typeof serviceGrpc.MessagingServiceClient>;
  readonly #group: string;
  readonly #topic: string;
  #lastId = 0;

  constructor(port: number, names: { group: string; topic: string }) {
    this.stub = new serviceGrpc.MessagingServiceClient(`127.0.0.1:${port}`, ChannelCredentials.createInsecure());
    this.#group = names.group;
    this.#topic = names.topic;
  }

  call<S>(send: (callback: Callback<S>) => void): Promise<S> {
    return new Promise((resolve, reject) => send((error, response) => (error ? reject(error) : resolve(response))));
  }

  message(text: string, type: 0 | 1 | 2 | 3 | 4 = MessageType.NORMAL): Message {
    this.#lastId += 1;
    const system = new definition.SystemProperties().setMessageId(`id-${this.#lastId}`).setMessageType(type).setBodyEncoding(Encoding.IDENTITY);
    return new definition.Message().setTopic(resource(this.#topic)).setBody(Buffer.from(text)).setSystemProperties(system);
  }

  /** @returns the code of the answer */
  async send(...messages: Message[]): Promise<number> {
    const request = new service.SendMessageRequest().setMessagesList(messages);
    const response = await this.call<InstanceType<typeof service.SendMessageResponse>>((done) =>
      this.stub.sendMessage(request, new Metadata(), done),
    );
    return response.getStatus()!.getCode();
  }

  /** Opens the client's telemetry stream. */
  telemetry(clientId: string, options: { deadline?: number } = {}) {
    const stream = this.stub.telemetry(identity(clientId), options);
    stream.on('error', () => undefined);
    const settings = new definition.Settings().setClientType(definition.ClientType.PUSH_CONSUMER).setSubscription(new definition.Subscription());
    stream.write(new service.TelemetryCommand().setSettings(settings));
    return stream;
  }

  /** One poll of a push consumer, which leaves the invisible time to the broker. */
  receiveRenewed(clientId: string): Promise<Message[]> {
    const queue = new definition.MessageQueue().setTopic(resource(this.#topic));
    const request = new service.ReceiveMessageRequest().setGroup(resource(this.#group)).setMessageQueue(queue).setBatchSize(32).setAutoRenew(true);
    return messagesOf(this.stub.receiveMessage(request, identity(clientId), { deadline: Date.now() + 5_000 }));
  }

  receiveCall(pollMs: number, invisibleMs = 30_000) {
    const queue = new definition.MessageQueue().setTopic(resource(this.#topic));
    const request = new service.ReceiveMessageRequest()
      .setGroup(resource(this.#group))
      .setMessageQueue(queue)
      .setFilterExpression(new definition.FilterExpression().setType(FilterType.TAG).setExpression('*'))
      .setBatchSize(32)
      .setInvisibleDuration(toDuration(invisibleMs))
      .setLongPollingTimeout(toDuration(pollMs));
    return this.stub.receiveMessage(request, new Metadata(), { deadline: Date.now() + pollMs + 5_000 });
  }

  /** One poll. @returns messages; none when it ran out */
  receive(pollMs: number, invisibleMs = 30_000): Promise<Message[]> {
    return messagesOf(this.receiveCall(pollMs, invisibleMs));
  }

  /** @returns the code of the answer, and of each entry */
  async acknowledge(...handles: string[]): Promise<{ code: number; entries: number[] }> {
    const request = new service.AckMessageRequest().setGroup(resource(this.#group)).setTopic(resource(this.#topic));
    for (const handle of handles) request.addEntries().setMessageId('id').setReceiptHandle(handle);
    const response = await this.call<AckMessageResponse>((done) => this.stub.ackMessage(request, new Metadata(), done));
    return { code: response.getStatus()!.getCode(), entries: response.getEntriesList().map((entry) => entry.getStatus()!.getCode()) };
  }

  async changeInvisible(handle: string, ms: number): Promise<{ code: number; handle: string }> {
    const request = new service.ChangeInvisibleDurationRequest()
      .setGroup(resource(this.#group))
      .setTopic(resource(this.#topic))
      .setReceiptHandle(handle)
      .setInvisibleDuration(toDuration(ms));
    const response = await this.call<InstanceType<typeof service.ChangeInvisibleDurationResponse>>((done) =>
      this.stub.changeInvisibleDuration(request, new Metadata(), done),
    );
    return { code: response.getStatus()!.getCode(), handle: response.getReceiptHandle() };
  }

  async forwardToDeadLetters(handle: string): Promise<number> {
    const request = new service.ForwardMessageToDeadLetterQueueRequest()
      .setGroup(resource(this.#group))
      .setTopic(resource(this.#topic))
      .setReceiptHandle(handle);
    const response = await this.call<InstanceType<typeof service.ForwardMessageToDeadLetterQueueResponse>>((done) =>
      this.stub.forwardMessageToDeadLetterQueue(request, new Metadata(), done),
    );
    return response.getStatus()!.getCode();
  }
}

export function handleOf(message: Message | undefined): string {
  return message?.getSystemProperties()?.getReceiptHandle() ?? '';
}

export function attemptOf(message: Message | undefined): number | undefined {
  return message?.getSystemProperties()?.getDeliveryAttempt();
}

export function textOf(message: Message | undefined): string {
  return Buffer.from(message?.getBody_asU8() ?? []).toString();
}

async function messagesOf(parts: AsyncIterable<ReceiveMessageResponse>): Promise<Message[]> {
  const messages: Message[] = [];
  for await (const part of parts) {
    const message = part.getMessage();
    if (message) messages.push(message);
  }
  return messages;
}

function identity(clientId: string): Metadata {
  const metadata = new Metadata();
  metadata.set('x-mq-client-id', clientId);
  return metadata;
}

function resource(name: string) {
  return new definition.Resource().setName(name);
}
