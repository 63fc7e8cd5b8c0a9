import { decodeHeaders, encodeHeaders } from '@tpc/core';
import type { OutgoingMessage } from '@tpc/gen/tpc/v1/message';
import type { SendType } from '../domain/message.ts';

/** A message as it stands in the outbox: key and content, with the trace it was made under. */
export type OutboxContent = {
  key: string;
  topic: string;
  tag: string;
  body: Buffer;
  contentType: string;
  headers: Readonly<Record<string, string>>;
  sendType: SendType;
  traceparent: string;
  tracestate: string;
};

/** Columns of tpc_outbox that hold the content. */
export type ContentRow = {
  message_key: string;
  topic: string;
  tag: string;
  body: Buffer | null;
  content_type: string;
  headers: Buffer | null;
  send_type: number;
  traceparent: string;
  tracestate: string;
};

/** Room that keys, names and framing of one message take in a request, bytes. */
const FRAME_BYTES = 512;

const SEND_TYPES: readonly (readonly [SendType, number])[] = [
  ['WAIT_CONFIRM', 1],
  ['SAVE_AND_SEND', 2],
];

export function toRow(content: OutboxContent): ContentRow {
  return {
    message_key: content.key,
    topic: content.topic,
    tag: content.tag,
    body: content.body,
    content_type: content.contentType,
    headers: encodeHeaders(content.headers),
    send_type: SEND_TYPES.find(([name]) => name === content.sendType)?.[1] as number,
    traceparent: content.traceparent,
    tracestate: content.tracestate,
  };
}

export function fromRow(row: ContentRow): OutboxContent {
  return {
    key: row.message_key,
    topic: row.topic,
    tag: row.tag,
    body: row.body ?? Buffer.alloc(0),
    contentType: row.content_type,
    headers: decodeHeaders(row.headers),
    sendType: SEND_TYPES.find(([, number]) => number === row.send_type)?.[0] ?? 'WAIT_CONFIRM',
    traceparent: row.traceparent,
    tracestate: row.tracestate,
  };
}

export function toOutgoing(content: OutboxContent): OutgoingMessage {
  return {
    messageKey: content.key,
    topic: content.topic,
    tag: content.tag,
    data: content.body,
    contentType: content.contentType,
    headers: { ...content.headers },
    traceparent: content.traceparent,
    tracestate: content.tracestate,
    delayLevel: 0,
    deliverTime: undefined,
    orderKey: '',
    orderSeq: 0n,
  };
}

/** Whether two contents are the same event: trace context does not count. */
export function sameContent(one: OutboxContent, other: OutboxContent): boolean {
  return (
    one.topic === other.topic &&
    one.tag === other.tag &&
    one.contentType === other.contentType &&
    one.body.equals(other.body) &&
    Buffer.compare(encodeHeaders(one.headers) ?? Buffer.alloc(0), encodeHeaders(other.headers) ?? Buffer.alloc(0)) === 0
  );
}

/** Bytes that a message takes in a request, a little high. */
export function sizeOnWire(content: OutboxContent): number {
  return FRAME_BYTES + content.body.length + (encodeHeaders(content.headers)?.length ?? 0);
}
