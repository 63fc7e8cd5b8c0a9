import type { ReceivedBrokerMessage } from '@tpc/broker';
import { decodeDeliveryProperties } from '@tpc/core';
import { type InboxRow, rowOfDelivery } from './inbox-row.ts';
import { Reason } from './states.ts';

/** What to do with a message as the broker gave it, before the inbox is asked. */
export type Admission =
  | { kind: 'store'; row: InboxRow }
  /** It cannot be stored or handled: its key is stored without content, dead, and reported. */
  | { kind: 'tombstone'; row: InboxRow; reason: string; detail: string }
  /** It is acknowledged to the broker and forgotten. */
  | { kind: 'drop'; why: 'not from TPC' | 'for another group' | 'unusable key' };

/** What the inbox's columns hold. */
const KEY = /^[\x21-\x7e]{1,160}$/;
const ASCII = /^[\x20-\x7e]*$/;
const MAX_NAME = 64;
const MAX_CONTENT_TYPE = 128;
const MAX_HEADERS_BYTES = 60_000;

/**
 * Decides on one received message.
 * @param group the consumer group that received it
 * @param maxBodyBytes largest body to store
 */
export function decideAdmission(message: ReceivedBrokerMessage, group: string, maxBodyBytes: number): Admission {
  const delivery = decodeDeliveryProperties(message.properties);
  if (delivery === undefined) return { kind: 'drop', why: 'not from TPC' };
  if (delivery.onlyGroup !== undefined && delivery.onlyGroup !== group) return { kind: 'drop', why: 'for another group' };
  if (!KEY.test(delivery.messageKey)) return { kind: 'drop', why: 'unusable key' };
  const row = rowOfDelivery(message, delivery);
  if (message.body.byteLength > maxBodyBytes) {
    return tombstone(row, Reason.TOO_LARGE, `the body has ${message.body.byteLength} bytes, at most ${maxBodyBytes} are taken`);
  }
  const fault = faultOf(row);
  return fault === undefined ? { kind: 'store', row } : tombstone(row, Reason.UNSTORABLE, fault);
}

/** A row without the content that could not be stored; names are kept as far as they fit. */
export function tombstone(row: InboxRow, reason: string, detail: string): Admission & { kind: 'tombstone' } {
  const fitting = (text: string) => (fits(text, MAX_NAME) ? text : '');
  return {
    kind: 'tombstone',
    reason,
    detail,
    row: {
      ...row,
      producerGroup: fitting(row.producerGroup),
      topic: fitting(row.topic),
      tag: fitting(row.tag),
      body: undefined,
      contentType: '',
      headers: {},
    },
  };
}

function faultOf(row: InboxRow): string | undefined {
  for (const name of ['producerGroup', 'topic', 'tag'] as const) {
    if (!fits(row[name], MAX_NAME)) return `${name} is not at most ${MAX_NAME} characters of ASCII`;
  }
  if (!fits(row.contentType, MAX_CONTENT_TYPE)) return `the content type is not at most ${MAX_CONTENT_TYPE} characters of ASCII`;
  const headers = Buffer.byteLength(JSON.stringify(row.headers));
  return headers > MAX_HEADERS_BYTES ? `the headers have ${headers} bytes, at most ${MAX_HEADERS_BYTES} are taken` : undefined;
}

function fits(text: string, length: number): boolean {
  return text.length <= length && ASCII.test(text);
}
