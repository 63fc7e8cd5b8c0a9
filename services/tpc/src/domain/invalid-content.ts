import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';
import { checkTag, checkTopic, MAX_KEY_LENGTH, type Violation } from '@tpc/core';
import { contentHash } from './content-hash.ts';

/**
 * What becomes of a committed message that breaks the rules of contents; pure. The business has committed, so the message is not refused: it is stored
 * DEAD (CONTENT_INVALID), with everything that the producer handed over.
 */

/** A message as it came, before anything was checked. */
export type GivenMessage = {
  messageKey: string;
  topic: string;
  tag: string;
  body: Buffer;
  contentType: string;
  headers: Readonly<Record<string, string>>;
  delayLevel: number;
  deliverTime: Date | undefined;
  orderKey: string;
  orderSeq: bigint;
};

/** What the columns hold instead. */
export type KeptMessage = {
  messageKey: string;
  content: { topic: string; tag: string; body: Buffer; contentType: string; headers: Readonly<Record<string, string>> };
  invalid: InvalidContent;
};

export type InvalidContent = {
  /** Of the message as it came, so that a repetition is known again. */
  hash: Buffer;
  /** The broken rules in words. */
  detail: string;
};

/** Content type of a body that holds the whole message as it came, as JSON of tpc.v1.OutgoingMessage. An operator reads it; it is never published. */
export const WHOLE_MESSAGE_TYPE = 'application/json; type=tpc.v1.OutgoingMessage';
/** Topic of a message whose own topic no column can hold. */
export const INVALID_TOPIC = 'INVALID';

/** Broken rules that leave every column able to hold its value: such a message is kept as it came, and can be resent once the rule allows it. */
const STORABLE: ReadonlySet<string> = new Set(['BODY_TOO_LARGE', 'KEY_OWNER']);
const MAX_DETAIL = 1024;

/** @param violations at least one */
export function keepInvalid(given: GivenMessage, producerGroup: string, violations: readonly Violation[]): KeptMessage {
  const hash = hashOf(given);
  const invalid = {
    hash,
    detail: violations
      .map(({ field, description }) => `${field}: ${description}`)
      .join(' ')
      .slice(0, MAX_DETAIL),
  };
  const badKey = violations.some(({ reason }) => reason.startsWith('KEY_'));
  const messageKey = badKey ? keyBeside(given.messageKey, producerGroup, hash) : given.messageKey;
  const { topic, tag, body, contentType, headers } = given;
  const storable = contentType !== WHOLE_MESSAGE_TYPE && violations.every(({ reason }) => STORABLE.has(reason));
  if (storable) return { messageKey, content: { topic, tag, body, contentType, headers }, invalid };
  const content = {
    topic: isBroken(checkTopic, topic) ? INVALID_TOPIC : topic,
    tag: isBroken(checkTag, tag) ? '' : tag,
    body: wholeMessage(given),
    contentType: WHOLE_MESSAGE_TYPE,
    headers: {},
  };
  return { messageKey, content, invalid };
}

function isBroken(rule: (field: string, value: string) => readonly Violation[], value: string): boolean {
  // Stryker disable next-line StringLiteral: nobody reads the name of the field.
  return rule('', value).length > 0;
}

function hashOf({ orderSeq, deliverTime, delayLevel, ...content }: GivenMessage): Buffer {
  return contentHash({ ...content, orderSeq: Number(orderSeq), deliverAt: deliverTime?.getTime() ?? 0, delayMs: delayLevel });
}

/** No producer can choose a key with `#`, so that this one takes no other group's place; group and original key make it that message's own. */
function keyBeside(key: string, producerGroup: string, hash: Buffer): string {
  const readable = key.replace(/[^A-Za-z0-9_.:@-]/g, '_').slice(0, MAX_KEY_LENGTH) || 'EMPTY';
  const own = createHash('sha256')
    .update(hash)
    .update(JSON.stringify([producerGroup, key]))
    .digest('hex');
  return `${readable}#${own.slice(0, 16)}`;
}

function wholeMessage({ body, deliverTime, orderSeq, ...given }: GivenMessage): Buffer {
  const time = deliverTime === undefined || Number.isNaN(deliverTime.getTime()) ? {} : { deliverTime: deliverTime.toISOString() };
  const data = isUtf8(body) ? { text: body.toString('utf8') } : { data: body.toString('base64') };
  return Buffer.from(JSON.stringify({ ...given, orderSeq: String(orderSeq), ...time, ...data }));
}
