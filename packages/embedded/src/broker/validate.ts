import definition, { type Message, type Resource } from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/definition_pb.js';
import { isTag } from './tag-filter.ts';
import { Code, Refusal } from './wire.ts';

const { MessageType } = definition;
const NAME = /^[%|a-zA-Z0-9_-]+$/;
const MAX_TOPIC_LENGTH = 127;
const MAX_GROUP_LENGTH = 255;
/** Limits of RocketMQ 5's proxy with its default settings. */
export const MAX_BODY_BYTES = 4 * 1024 * 1024;
const MAX_PROPERTIES = 128;
const MAX_PROPERTIES_BYTES = 16 * 1024;

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
  checkProperties(message.getUserPropertiesMap().toArray());
}

function checkProperties(properties: [string, string][]): void {
  const bytes = properties.reduce((sum, [name, value]) => sum + Buffer.byteLength(name) + Buffer.byteLength(value), 0);
  if (properties.length > MAX_PROPERTIES || bytes > MAX_PROPERTIES_BYTES) {
    const text = `the message has ${properties.length} properties of ${bytes} bytes, ${MAX_PROPERTIES} of ${MAX_PROPERTIES_BYTES} are allowed`;
    throw new Refusal(Code.MESSAGE_PROPERTIES_TOO_LARGE, text);
  }
}
