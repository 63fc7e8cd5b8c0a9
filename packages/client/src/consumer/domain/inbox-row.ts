import type { ReceivedBrokerMessage } from '@tpc/broker';
import type { DeliveryProperties } from '@tpc/core';
import { BadMessageError } from '../errors.ts';
import type { ConsumedMessage } from '../types.ts';

/** Names one row of a group's inbox. */
export type InboxKey = { messageKey: string; generation: number };

/** The content of a row of `tpc_inbox`. */
export type InboxRow = InboxKey & {
  producerGroup: string;
  brokerMessageId: string;
  topic: string;
  tag: string;
  /** undefined: a tombstone, or cleaned away. */
  body: Uint8Array | undefined;
  contentType: string;
  headers: Readonly<Record<string, string>>;
  traceparent: string;
  tracestate: string;
  /** Tries of the handler that had an outcome. */
  attempts: number;
  /** Effects that are not settled yet. */
  openEffects: number;
};

/** A row that this process may handle until another claims it. */
export type ClaimedRow = InboxRow & {
  /** The token in the row; whoever claims the row changes it, and with that fences this process off. */
  claim: string;
  /** When the lease ends at the earliest, on the clock of `performance.now()`. */
  leaseUntil: number;
};

/** The columns of content, in the order of `contentValues`. */
export const CONTENT_COLUMNS =
  'message_key, generation, producer_group, broker_message_id, topic, tag, body, content_type, headers, traceparent, tracestate';

/** Columns that `rowOfColumns` reads. */
export const ROW_COLUMNS = `${CONTENT_COLUMNS}, attempts, open_effects`;

export type InboxColumns = {
  message_key: string;
  generation: number;
  producer_group: string;
  broker_message_id: string;
  topic: string;
  tag: string;
  body: Buffer | null;
  content_type: string;
  headers: Buffer | null;
  traceparent: string;
  tracestate: string;
  attempts: number;
  open_effects: number;
};

/** Values for CONTENT_COLUMNS. */
export function contentValues(row: InboxRow): (string | number | Buffer | null)[] {
  return [
    row.messageKey,
    row.generation,
    row.producerGroup,
    row.brokerMessageId,
    row.topic,
    row.tag,
    row.body === undefined ? null : Buffer.from(row.body.buffer, row.body.byteOffset, row.body.byteLength),
    row.contentType,
    Object.keys(row.headers).length === 0 ? null : Buffer.from(JSON.stringify(row.headers)),
    row.traceparent,
    row.tracestate,
  ];
}

export function rowOfColumns(columns: InboxColumns): InboxRow {
  return {
    messageKey: columns.message_key,
    generation: columns.generation,
    producerGroup: columns.producer_group,
    brokerMessageId: columns.broker_message_id,
    topic: columns.topic,
    tag: columns.tag,
    body: columns.body ?? undefined,
    contentType: columns.content_type,
    headers: columns.headers === null ? {} : (JSON.parse(columns.headers.toString()) as Record<string, string>),
    traceparent: columns.traceparent,
    tracestate: columns.tracestate,
    attempts: columns.attempts,
    openEffects: columns.open_effects,
  };
}

const printable = (text: string, length: number) => (text.length <= length && /^[\x20-\x7e]*$/.test(text) ? text : '');

/** A trace context that does not fit is left out: it must never cost a message. */
export function rowOfDelivery(message: ReceivedBrokerMessage, delivery: DeliveryProperties): InboxRow {
  return {
    messageKey: delivery.messageKey,
    generation: delivery.generation,
    producerGroup: delivery.producerGroup,
    brokerMessageId: printable(message.brokerMessageId, 128),
    topic: message.topic,
    tag: message.tag,
    body: message.body,
    contentType: delivery.contentType,
    headers: delivery.headers,
    traceparent: printable(delivery.traceparent, 64),
    tracestate: printable(delivery.tracestate, 512),
    attempts: 0,
    openEffects: 0,
  };
}

/** The row as handlers see it: a copy of its own, so that what one try does to it is not there at the next. */
export function messageOfRow(row: InboxRow): ConsumedMessage {
  const { brokerMessageId: _id, attempts, openEffects: _open, headers, ...content } = row;
  const body = Buffer.from(row.body ?? []);
  const text = () => {
    try {
      return new TextDecoder('utf-8', { fatal: true }).decode(body);
    } catch {
      throw new BadMessageError('the body is not UTF-8');
    }
  };
  const json = () => {
    const decoded = text();
    try {
      return JSON.parse(decoded) as unknown;
    } catch {
      throw new BadMessageError('the body is not JSON');
    }
  };
  return { ...content, headers: { ...headers }, body, attempt: attempts + 1, text, json };
}
