import { checkContent, checkMessageKey, checkProducerGroup, DEFAULT_MESSAGE_LIMITS, type MessageLimits, type Violation } from '@tpc/core';

/** How a message leaves: prepared before COMMIT and confirmed after it, or sent whole after COMMIT. */
export type SendType = 'WAIT_CONFIRM' | 'SAVE_AND_SEND';

/** What a caller hands to `outbox.add`. */
export type OutboxMessage = {
  /** At most 64 characters of [A-Za-z0-9_-]. */
  topic: string;
  /** At most 64 characters of [A-Za-z0-9_-]. Default: none. */
  tag?: string;
  /** 1 byte to 1 MiB, unless TPC tells another limit; text is sent as UTF-8. */
  body: string | Uint8Array;
  /** Key of the event: a UUID in lower case, or `<group>:<yours>`. Default: a new UUIDv7. */
  key?: string;
  /** Media type of the body, at most 128 characters. */
  contentType?: string;
  /** Travel to the consumer. At most 64, together at most 14 KiB (names and values, UTF-8), without control characters; names that begin with "tpc" or "__" are reserved. */
  headers?: Readonly<Record<string, string>>;
  /** Default WAIT_CONFIRM. */
  sendType?: SendType;
};

/** A message whose every field was checked. */
export type CheckedMessage = {
  key: string | undefined;
  topic: string;
  tag: string;
  body: Buffer;
  contentType: string;
  headers: Readonly<Record<string, string>>;
  sendType: SendType;
};

/** A message that TPC would refuse, found before anything was stored. */
export class InvalidMessage extends Error {
  /** Field of OutboxMessage. */
  readonly field: string;

  constructor(field: string, problem: string) {
    super(`${field} ${problem}`);
    this.name = 'InvalidMessage';
    this.field = field;
  }
}

/** Fields whose names in the protocol are not those of OutboxMessage. */
const FIELDS: Readonly<Record<string, keyof OutboxMessage>> = { content_type: 'contentType', message_key: 'key' };

/**
 * Checks a message by the rules that TPC itself applies. The answer shares nothing with what was handed over, which its owner may use again at once: the
 * outbox row, the prepare and what is sent after an outage must hold the same content.
 * @param group the producer's group, which owns keys that are not UUIDs
 * @param limits as TPC told them at registration
 * @throws InvalidMessage naming the first bad field
 */
export function checkMessage(message: OutboxMessage, group: string, limits: MessageLimits = DEFAULT_MESSAGE_LIMITS): CheckedMessage {
  const { key, topic, tag = '', contentType = '', sendType = 'WAIT_CONFIRM' } = message;
  const headers = { ...message.headers };
  if (sendType !== 'WAIT_CONFIRM' && sendType !== 'SAVE_AND_SEND') throw new InvalidMessage('sendType', 'must be WAIT_CONFIRM or SAVE_AND_SEND');
  for (const [field, value] of Object.entries({ topic, tag, contentType, ...(key === undefined ? {} : { key }) }))
    if (typeof value !== 'string') throw new InvalidMessage(field, 'must be a string');
  for (const [name, value] of Object.entries(headers))
    if (typeof value !== 'string') throw new InvalidMessage(`headers["${name}"]`, 'must be a string');
  const body = toBytes(message.body);
  // Stryker disable next-line StringLiteral: any text without a broken rule will do for a trace context, which is not the caller's.
  const content = { topic, tag, body, contentType, headers, traceparent: '', tracestate: '', delayLevel: 0 };
  refuse([...(key === undefined ? [] : checkMessageKey('message_key', key, group)), ...checkContent('', content, limits)]);
  return { key, topic, tag, body, contentType, headers, sendType };
}

/** @throws InvalidMessage when the name cannot be a producer group */
export function checkGroup(group: string): void {
  refuse(checkProducerGroup('group', group));
}

function toBytes(body: string | Uint8Array): Buffer {
  if (body instanceof Uint8Array) return Buffer.from(body);
  if (typeof body !== 'string') throw new InvalidMessage('body', 'must be a string or bytes');
  // UTF-8 has no bytes for it, so that the consumer would get another text.
  if (!body.isWellFormed()) throw new InvalidMessage('body', 'holds half of a surrogate pair');
  return Buffer.from(body);
}

function refuse([first]: readonly Violation[]): void {
  if (first !== undefined) throw new InvalidMessage(FIELDS[first.field] ?? first.field, `is not valid: ${first.description}`);
}
