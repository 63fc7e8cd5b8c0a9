import { BROKER_MAX_PROPERTIES, BROKER_MAX_PROPERTIES_BYTES, brokerPropertiesBytes } from '@tpc/core';
import definition, { type Message, type Resource } from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/definition_pb.js';
import { isTag } from './tag-filter.ts';
import { Code, Refusal } from './wire.ts';

const { MessageType } = definition;
/** RocketMQ separates properties by them. */
const CONTROL = /\p{Cc}/u;
const NAME = /^[%|a-zA-Z0-9_-]+$/;
const MAX_TOPIC_LENGTH = 127;
const MAX_GROUP_LENGTH = 255;
/** Limits of RocketMQ 5's proxy with its default settings. */
export const MAX_BODY_BYTES = 4 * 1024 * 1024;

/** @throws Refusal */
export function topicName(resource: Resource | undefined): string {
  const name = resource?.getName() ?? '';
  if (!NAME.test(name) || name.length > MAX_TOPIC_LENGTH) throw new Refusal(Code.ILLEGAL_TOPIC, `"${name}" is no topic name`);
  return name;
}

/** @throws Refusal */
export function groupName(resource: Resource | undefined): string {
  const name = resource?.getName() ?? '';
  if (!NAME.test(name) || name.length > MAX_GROUP_LENGTH) throw new Refusal(Code.ILLEGAL_CONSUMER_GROUP, `"${name}" is no consumer group name`);
  return name;
}

/**
 * What RocketMQ refuses to take, this broker refuses with the same code.
 * @throws Refusal
 */
export function checkMessage(message: Message): void {
  const system = message.getSystemProperties();
  if (!system || system.getMessageId() === '') throw new Refusal(Code.ILLEGAL_MESSAGE_ID, 'the message has no id');
  const type = system.getMessageType();
  if (type !== MessageType.NORMAL && type !== MessageType.MESSAGE_TYPE_UNSPECIFIED) {
    throw new Refusal(Code.MESSAGE_PROPERTY_CONFLICT_WITH_TYPE, 'the embedded broker takes normal messages only');
  }
  const tag = system.getTag() ?? '';
  if (tag !== '' && !isTag(tag)) throw new Refusal(Code.ILLEGAL_MESSAGE_TAG, `"${tag}" is no tag`);
  if (system.getKeysList().some((key) => key.trim() === '')) throw new Refusal(Code.ILLEGAL_MESSAGE_KEY, 'a message key is blank');
  const bytes = message.getBody_asU8().byteLength;
  if (bytes === 0) throw new Refusal(Code.MESSAGE_BODY_EMPTY, 'the body is empty');
  if (bytes > MAX_BODY_BYTES) throw new Refusal(Code.MESSAGE_BODY_TOO_LARGE, `the body has ${bytes} bytes, ${MAX_BODY_BYTES} are allowed`);
  const properties = Object.fromEntries(message.getUserPropertiesMap().toArray() as [string, string][]);
  checkProperties(properties, brokerPropertiesBytes({ properties, tag, keys: system.getKeysList() }));
}

function checkProperties(properties: Readonly<Record<string, string>>, bytes: number): void {
  const count = Object.keys(properties).length;
  if (count > BROKER_MAX_PROPERTIES || bytes > BROKER_MAX_PROPERTIES_BYTES) {
    const text = `the message has ${count} properties of ${bytes} bytes, ${BROKER_MAX_PROPERTIES} of ${BROKER_MAX_PROPERTIES_BYTES} are allowed`;
    throw new Refusal(Code.MESSAGE_PROPERTIES_TOO_LARGE, text);
  }
  const bad = Object.entries(properties).find(([name, value]) => CONTROL.test(name) || CONTROL.test(value));
  if (bad) throw new Refusal(Code.ILLEGAL_MESSAGE_PROPERTY_KEY, `the property "${bad[0]}" holds a control character`);
}
