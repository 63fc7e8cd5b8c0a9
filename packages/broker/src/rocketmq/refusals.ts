import definition from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/definition_pb.js';

const { Code } = definition;

/**
 * Codes by which the broker says that this very message will never be taken, whatever happens to topics, rights or load. Everything else
 * may be mended by waiting or by an operator (a topic is created, a right is given), and is tried again.
 */
const PERMANENT: ReadonlySet<number> = new Set([
  Code.ILLEGAL_TOPIC,
  Code.ILLEGAL_MESSAGE_TAG,
  Code.ILLEGAL_MESSAGE_KEY,
  Code.ILLEGAL_MESSAGE_GROUP,
  Code.ILLEGAL_MESSAGE_PROPERTY_KEY,
  Code.ILLEGAL_MESSAGE_ID,
  Code.ILLEGAL_DELIVERY_TIME,
  Code.MESSAGE_CORRUPTED,
  Code.PAYLOAD_TOO_LARGE,
  Code.MESSAGE_BODY_TOO_LARGE,
  Code.MESSAGE_BODY_EMPTY,
  Code.REQUEST_HEADER_FIELDS_TOO_LARGE,
  Code.MESSAGE_PROPERTIES_TOO_LARGE,
]);

/** True when the broker will refuse this message for ever. */
export function isPermanentRefusal(code: number): boolean {
  return PERMANENT.has(code);
}

/**
 * What to do with a batch that was refused as a whole:
 * - `singly`: one of its messages is bad: send each alone, so that only the bad ones fail;
 * - `halves`: the broker does not say whose fault it is (5xxxx is a sum that is too large as well as a real fault): bisect;
 * - `fail`: the refusal is not about single messages (the topic, rights, throttling): all of them share it.
 */
export function afterBatchRefusal(code: number): 'singly' | 'halves' | 'fail' {
  if (code === Code.ILLEGAL_TOPIC) return 'fail';
  if (isPermanentRefusal(code) || code === Code.BAD_REQUEST) return 'singly';
  if (code === Code.INTERNAL_ERROR || code === Code.INTERNAL_SERVER_ERROR) return 'halves';
  return 'fail';
}

/** The name of a code, for people: `TOPIC_NOT_FOUND (40402)`. */
export function describeCode(code: number): string {
  const name = Object.entries(Code).find(([, value]) => value === code)?.[0];
  return name ? `${name} (${code})` : `code ${code}`;
}

/** How RocketMQ says that a name is unknown to it; the first group is the name. */
const UNKNOWN_TOPIC = /No topic route info in name server for the topic: (\S+)/;
const UNKNOWN_GROUP = /group not found: (\S+)/;

/** Why the broker refuses a client, in one line that says what to do about it. */
export function explainRefusal(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const [, topic] = UNKNOWN_TOPIC.exec(text) ?? [];
  if (topic) return `topic ${topic} does not exist on the broker: make it there`;
  const [, group] = UNKNOWN_GROUP.exec(text) ?? [];
  if (group) return `consumer group ${group} does not exist on the broker: make it there`;
  return text.split('\n')[0] as string;
}
