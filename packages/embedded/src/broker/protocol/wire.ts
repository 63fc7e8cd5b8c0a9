import { createHash } from 'node:crypto';
import type { Metadata, ServerUnaryCall, sendUnaryData } from '@grpc/grpc-js';
import { durationMs as durationOf, secondsAndNanos } from '@tpc/core';
import durationPb, { type Duration } from 'google-protobuf/google/protobuf/duration_pb.js';
import timestampPb, { type Timestamp } from 'google-protobuf/google/protobuf/timestamp_pb.js';
import definition, { type Message, type Status } from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/definition_pb.js';
import type { StoredMessage, TakenMessage } from '../store/store.ts';
import { formatReceiptHandle } from './receipt-handle.ts';

export const { Code } = definition;

/** By this every RocketMQ client says who it is, with each call. */
export function clientIdOf(metadata: Metadata): string {
  return String(metadata.get('x-mq-client-id')[0] ?? '');
}

/** A refusal in RocketMQ's terms; becomes the status of the answer. */
export class Refusal extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

export function toStatus(code: number, message: string): Status {
  // The generated type lists the codes as literals; the number comes from the same table.
  return new definition.Status().setCode(code as Parameters<Status['setCode']>[0]).setMessage(message);
}

export function okStatus(): Status {
  return toStatus(Code.OK, 'OK');
}

/** Any fault as a status: refusals with their own code, the rest as an internal error. */
export function statusOf(error: unknown): Status {
  if (error instanceof Refusal) return toStatus(error.code, error.message);
  return toStatus(Code.INTERNAL_SERVER_ERROR, error instanceof Error ? error.message : String(error));
}

/** A unary method whose faults become the status of its answer. */
export function unary<Q, S>(work: (request: Q, call: ServerUnaryCall<Q, S>) => Promise<S> | S, refuse: (status: Status) => S) {
  return (call: ServerUnaryCall<Q, S>, callback: sendUnaryData<S>) => {
    void (async () => {
      try {
        callback(null, await work(call.request, call));
      } catch (error) {
        callback(null, refuse(statusOf(error)));
      }
    })();
  };
}

export function toDuration(ms: number): Duration {
  const { seconds, nanos } = secondsAndNanos(ms);
  return new durationPb.Duration().setSeconds(seconds).setNanos(nanos);
}

export function durationMs(duration: Duration | undefined): number {
  return duration ? durationOf({ seconds: BigInt(duration.getSeconds()), nanos: duration.getNanos() }) : 0;
}

export function toTimestamp(ms: number): Timestamp {
  const { seconds, nanos } = secondsAndNanos(ms);
  return new timestampPb.Timestamp().setSeconds(seconds).setNanos(nanos);
}

/** Wire message → row. The digest is added here, since clients check it on what they receive. */
export function toStored(message: Message): StoredMessage {
  const bytes = message.getBody_asU8();
  const body = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const system = message.getSystemProperties()!;
  system.setBodyDigest(digestOf(body));
  message.setBody('');
  dropEmptyProperties(message);
  return { tag: system.getTag() ?? '', envelope: Buffer.from(message.serializeBinary()), body };
}

/** RocketMQ keeps properties as text between separators, and loses those without a value. */
function dropEmptyProperties(message: Message): void {
  const properties = message.getUserPropertiesMap();
  for (const [name, value] of properties.toArray() as [string, string][]) if (value === '') properties.del(name);
}

/** Row → wire message, with what the broker knows about this delivery. */
export function toDelivered(taken: TakenMessage, invisibleMs: number, storeHost: string): Message {
  const message = definition.Message.deserializeBinary(taken.envelope);
  message.setBody(taken.body);
  message
    .getSystemProperties()!
    .setReceiptHandle(formatReceiptHandle({ messageSeq: taken.seq, attempt: taken.attempt, nonce: taken.nonce }))
    .setDeliveryAttempt(taken.attempt)
    .setInvisibleDuration(toDuration(invisibleMs))
    .setQueueId(0)
    .setQueueOffset(taken.seq)
    .setStoreTimestamp(toTimestamp(taken.storedAt))
    .setStoreHost(storeHost);
  return message;
}

/** The copy of a message that goes to its group's dead letters: the same content under the dead letters' topic, with where it came from. */
export function toDeadLetter(message: { topic: string; envelope: Buffer; body: Buffer; tag: string }, deadLetterTopic: string): StoredMessage {
  const copy = definition.Message.deserializeBinary(message.envelope);
  const system = copy.getSystemProperties()!;
  system.setDeadLetterQueue(new definition.DeadLetterQueue().setTopic(message.topic).setMessageId(system.getMessageId()));
  copy.setTopic(new definition.Resource().setName(deadLetterTopic));
  return { tag: message.tag, envelope: Buffer.from(copy.serializeBinary()), body: message.body };
}

/** MD5 in upper-case hex, as RocketMQ's proxy writes it. */
function digestOf(body: Buffer) {
  const checksum = createHash('md5').update(body).digest('hex').toUpperCase();
  return new definition.Digest().setType(definition.DigestType.MD5).setChecksum(checksum);
}
