import { MAX_GENERATION } from './contract/limits.ts';

/**
 * How a message travels through the broker: TPC writes these user properties, consumers read them, in any language. Both directions
 * stand here. `docs/protocol.md` lists them.
 */

/** What TPC says about one published message beside its topic, tag and body. */
export type DeliveryProperties = {
  messageKey: string;
  producerGroup: string;
  /** From 1; raised by a replay. */
  generation: number;
  /** Only this consumer group is meant (a redelivery); others drop it. Undefined: every subscribed group. */
  onlyGroup: string | undefined;
  contentType: string;
  /** The producer's own headers. */
  headers: Readonly<Record<string, string>>;
  traceparent: string;
  tracestate: string;
};

const KEY = 'tpc-key';
const PRODUCER = 'tpc-producer';
const GENERATION = 'tpc-generation';
const ONLY_GROUP = 'tpc-only-group';
const CONTENT_TYPE = 'tpc-content-type';
const HEADER_PREFIX = 'tpc-h-';
/** Names of headers whose value is empty, with commas between them: RocketMQ drops a property without a value. */
const EMPTY_HEADERS = 'tpc-empty-headers';

/** Properties to publish with; what has its default value is left out. */
export function encodeDeliveryProperties(delivery: DeliveryProperties): Record<string, string> {
  const properties: Record<string, string> = { [KEY]: delivery.messageKey, [PRODUCER]: delivery.producerGroup };
  if (delivery.generation !== 1) properties[GENERATION] = String(delivery.generation);
  if (delivery.onlyGroup !== undefined) properties[ONLY_GROUP] = delivery.onlyGroup;
  if (delivery.contentType !== '') properties[CONTENT_TYPE] = delivery.contentType;
  if (delivery.traceparent !== '') properties.traceparent = delivery.traceparent;
  if (delivery.tracestate !== '') properties.tracestate = delivery.tracestate;
  const empty: string[] = [];
  for (const [name, value] of Object.entries(delivery.headers)) {
    if (value === '') empty.push(name);
    else properties[HEADER_PREFIX + name] = value;
  }
  if (empty.length > 0) properties[EMPTY_HEADERS] = empty.join();
  return properties;
}

/**
 * Reads the properties of a received message.
 * @returns undefined when the message was not published by TPC (it has no key property) or its generation is not a whole number from 1 to MAX_GENERATION
 */
export function decodeDeliveryProperties(properties: Readonly<Record<string, string>>): DeliveryProperties | undefined {
  const messageKey = properties[KEY];
  const generation = properties[GENERATION] ?? '1';
  if (!messageKey || !/^[1-9]\d*$/.test(generation) || Number(generation) > MAX_GENERATION) return undefined;
  const empty = properties[EMPTY_HEADERS]?.split(',').map((name) => [name, ''] as const) ?? [];
  const headers = Object.entries(properties)
    .filter(([name]) => name.startsWith(HEADER_PREFIX))
    .map(([name, value]) => [name.slice(HEADER_PREFIX.length), value] as const);
  return {
    messageKey,
    producerGroup: properties[PRODUCER] ?? '',
    generation: Number(generation),
    onlyGroup: properties[ONLY_GROUP],
    contentType: properties[CONTENT_TYPE] ?? '',
    headers: Object.fromEntries([...empty, ...headers]),
    traceparent: properties.traceparent ?? '',
    tracestate: properties.tracestate ?? '',
  };
}
