/**
 * The names in our spans, in one place: OpenTelemetry's semantic conventions 1.45 for messaging, RPC and databases, and `messageKey`. Where messaging
 * names moved with that version the older one stands beside the new one, since trace viewers and saved searches still ask for it.
 */
import type { Attributes } from '@opentelemetry/api';
import type { Knex } from 'knex';
import { dialectOf } from '../sql/dialect.ts';

/** By this attribute the trace of a message is found. */
export const MESSAGE_KEY = 'messageKey';

/** True on the copies of a batch's span in the traces of its other messages, so that whoever counts spans can leave them out. */
export const BATCH_COPY = 'tpc.copy';

/** Types of messaging operations, where a span is one. */
export type OperationType = 'create' | 'send' | 'receive' | 'process' | 'settle';

export type TracedMessage = {
  messageKey: string;
  /** Empty: not known. */
  topic: string;
  tag?: string | undefined;
  consumerGroup?: string | undefined;
  /** The broker's id, or before there is one the key. */
  messageId?: string | undefined;
};

/** `SEND_EMAIL_TOPIC publish`. */
export function messageSpanName(operation: string, topic: string): string {
  return topic === '' ? operation : `${topic} ${operation}`;
}

/**
 * Attributes of a span of one message.
 * @param type what kind of messaging operation it is; without one it is a step of TPC's protocol and has few of them
 */
export function messageAttributes(operation: string, message: TracedMessage, type?: OperationType): Attributes {
  const { messageKey, topic, tag, consumerGroup, messageId } = message;
  const attributes: Attributes = { [MESSAGE_KEY]: messageKey, 'messaging.system.name': 'rocketmq', 'messaging.operation.name': operation };
  if (topic !== '') attributes['messaging.destination.name'] = topic;
  if (consumerGroup) attributes['messaging.consumer.group.name'] = consumerGroup;
  if (type === undefined) return attributes;
  const keys = [messageKey];
  const typed = { 'messaging.operation.type': type, 'messaging.message.id': messageId || messageKey, 'rocketmq.message.keys': keys };
  const older = { 'messaging.system': 'rocketmq', 'messaging.rocketmq.message.keys': keys };
  return Object.assign(attributes, typed, older, tag ? { 'rocketmq.message.tag': tag } : {});
}

/** Attributes of one span for many messages. */
export function batchAttributes(operation: string, count: number, more: Attributes = {}): Attributes {
  return { 'messaging.system.name': 'rocketmq', 'messaging.operation.name': operation, 'messaging.batch.message_count': count, ...more };
}

/** Adds the key where a batch holds one message, so that its spans are found by it too. */
export function onlyKey(keys: readonly string[]): Attributes {
  return keys.length === 1 ? { [MESSAGE_KEY]: keys[0] as string } : {};
}

/** Attributes of a call over gRPC. @param method `package.Service/Method` */
export function rpcAttributes(method: string, more: Attributes = {}): Attributes {
  return { 'rpc.system.name': 'grpc', 'rpc.method': method, ...more };
}

/**
 * Attributes of database work.
 * @param system of a knex instance, or its dialect's name
 * @param operation `INSERT`, or `BATCH` for several statements in a transaction
 * @param batchSize rows that it is about, where that is more than one
 */
export function databaseAttributes(
  system: Knex | Knex.Transaction | 'sqlite' | 'mysql',
  operation: string,
  collection: string,
  batchSize = 1,
): Attributes {
  return {
    'db.system.name': typeof system === 'string' ? system : dialectOf(system).name,
    'db.operation.name': operation,
    'db.collection.name': collection,
    'db.query.summary': `${operation} ${collection}`,
    ...(batchSize > 1 ? { 'db.operation.batch.size': batchSize } : {}),
  };
}
