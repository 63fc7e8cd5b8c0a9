import { describe, expect, it } from 'vitest';
import { encodeDeliveryProperties } from '../delivery-properties.ts';
import {
  BROKER_MAX_PROPERTIES,
  BROKER_MAX_PROPERTIES_BYTES,
  brokerPropertiesBytes,
  type CheckedContent,
  checkContent,
  checkFailureReason,
  checkGeneration,
  checkHost,
  checkInstanceId,
  checkMessageKey,
  checkStoredKey,
  checkStoreId,
  DEFAULT_MAX_BODY_BYTES,
  MAX_CONTENT_TYPE_LENGTH,
  MAX_GENERATION,
  MAX_HEADERS,
  MAX_HEADERS_BYTES,
  MAX_NAME_LENGTH,
  MAX_STORED_KEY_LENGTH,
  MAX_TRACEPARENT_LENGTH,
  MAX_TRACESTATE_LENGTH,
} from './index.ts';

const reasons = (violations: readonly { reason: string }[]) => violations.map((violation) => violation.reason);

describe('a message key', () => {
  it.each([
    ['0198c0de-0000-7000-8000-000000000001', []],
    ['PID_UAC:order-42', []],
    ['PID_UAC:a@b.c', []],
    ['', ['KEY_EMPTY']],
    ['PID_UAC:', ['KEY_OWNER']],
    ['PID_OTHER:1', ['KEY_OWNER']],
    ['0198C0DE-0000-7000-8000-000000000001', ['KEY_OWNER']],
    ['PID_UAC:a b', ['KEY_SYNTAX']],
    ['PID_UAC:a#0123456789abcdef', ['KEY_SYNTAX']],
    [`PID_UAC:${'x'.repeat(120)}`, []],
    [`PID_UAC:${'x'.repeat(121)}`, ['KEY_TOO_LONG']],
  ])('%s: %o', (key, expected) => {
    expect(reasons(checkMessageKey('message.message_key', key, 'PID_UAC'))).toEqual(expected);
  });

  it('with a hash behind it is good for looking it up', () => {
    expect(checkStoredKey('message_key', 'PID_UAC:1#0123456789abcdef')).toEqual([]);
    expect(reasons(checkStoredKey('message_key', 'PID_UAC:1#01'))).toEqual(['KEY_SYNTAX']);
  });
});

const good: CheckedContent = {
  topic: 'SEND_EMAIL_TOPIC',
  tag: 'ACTIVE_USER',
  body: Buffer.from('x'),
  contentType: 'application/json',
  headers: { lang: 'zh' },
  traceparent: '',
  tracestate: '',
  delayLevel: 0,
};

describe('a content', () => {
  it('of ordinary values is good', () => {
    expect(checkContent('message.', good)).toEqual([]);
    expect(checkContent('message.', { ...good, tag: '', headers: {}, body: Buffer.alloc(DEFAULT_MAX_BODY_BYTES) })).toEqual([]);
  });

  it.each<[Partial<CheckedContent>, string, string]>([
    [{ topic: '' }, 'message.topic', 'TOPIC_EMPTY'],
    [{ topic: 'a b' }, 'message.topic', 'TOPIC_SYNTAX'],
    [{ topic: 'x'.repeat(65) }, 'message.topic', 'TOPIC_TOO_LONG'],
    [{ tag: 'A||B' }, 'message.tag', 'TAG_SYNTAX'],
    [{ tag: '*' }, 'message.tag', 'TAG_SYNTAX'],
    [{ body: undefined }, 'message.body', 'BODY_EMPTY'],
    [{ body: Buffer.alloc(0) }, 'message.body', 'BODY_EMPTY'],
    [{ body: Buffer.alloc(DEFAULT_MAX_BODY_BYTES + 1) }, 'message.body', 'BODY_TOO_LARGE'],
    [{ contentType: 'x'.repeat(129) }, 'message.content_type', 'CONTENT_TYPE_TOO_LONG'],
    [{ contentType: 'täxt' }, 'message.content_type', 'CONTENT_TYPE_SYNTAX'],
    [{ headers: { 'tpc-key': 'x' } }, 'message.headers["tpc-key"]', 'HEADER_RESERVED'],
    [{ headers: { __x: 'x' } }, 'message.headers["__x"]', 'HEADER_RESERVED'],
    [{ headers: { 'a b': 'x' } }, 'message.headers["a b"]', 'HEADER_NAME_SYNTAX'],
    [{ headers: { a: 'x\u0001' } }, 'message.headers["a"]', 'HEADER_VALUE_SYNTAX'],
    [{ headers: { a: 'x\u0085' } }, 'message.headers["a"]', 'HEADER_VALUE_SYNTAX'],
    [{ headers: { a: '\ud800' } }, 'message.headers["a"]', 'HEADER_VALUE_SYNTAX'],
    [{ headers: { a: 'x'.repeat(MAX_HEADERS_BYTES) } }, 'message.headers', 'HEADERS_TOO_LARGE'],
    [{ headers: Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`h${n}`, ''])) }, 'message.headers', 'HEADERS_TOO_MANY'],
    [{ traceparent: 'x'.repeat(65) }, 'message.traceparent', 'TRACEPARENT_TOO_LONG'],
    [{ tracestate: 'x'.repeat(513) }, 'message.tracestate', 'TRACESTATE_TOO_LONG'],
    [{ delayLevel: 19 }, 'message.delay_level', 'DELAY_LEVEL_BAD'],
    [{ delayLevel: -1 }, 'message.delay_level', 'DELAY_LEVEL_BAD'],
  ])('%o is refused at %s: %s', (changed, field, reason) => {
    expect(checkContent('message.', { ...good, ...changed })).toMatchObject([{ field, reason }]);
  });
});

describe('other fields', () => {
  it('take an empty store id, but no empty instance', () => {
    expect(checkStoreId('store_id', '')).toEqual([]);
    expect(reasons(checkInstanceId('instance_id', ''))).toEqual(['INSTANCE_ID_EMPTY']);
    expect(reasons(checkStoreId('store_id', 'a.b'))).toEqual(['STORE_ID_SYNTAX']);
  });

  it('refuse what a table or a log could not hold', () => {
    expect(reasons(checkHost('host', 'x'.repeat(129)))).toEqual(['HOST_TOO_LONG']);
    expect(reasons(checkHost('host', 'a\nb'))).toEqual(['HOST_SYNTAX']);
    expect(reasons(checkFailureReason('reason', 'bad'))).toEqual(['REASON_SYNTAX']);
    expect(reasons(checkFailureReason('reason', ''))).toEqual(['REASON_EMPTY']);
    expect(reasons(checkGeneration('generation', -1))).toEqual(['GENERATION_BAD']);
    expect(reasons(checkGeneration('generation', 2 ** 31 - 1))).toEqual(['GENERATION_BAD']);
    expect(checkGeneration('generation', 0)).toEqual([]);
  });
});

describe('the most that TPC ever adds to a message', () => {
  it.each([
    ['one large header', { h: 'x'.repeat(MAX_HEADERS_BYTES - 1) }],
    ['as many headers as are allowed', headersOf(MAX_HEADERS, MAX_HEADERS_BYTES)],
    [
      'as many empty ones, beside a large one',
      { ...headersOf(MAX_HEADERS - 1, (MAX_HEADERS - 1) * 64), z: 'x'.repeat(MAX_HEADERS_BYTES - (MAX_HEADERS - 1) * 64 - 1) },
    ],
  ])('stays below what the broker takes, with %s', (_, headers) => {
    expect(checkContent('', { ...good, headers })).toEqual([]);
    const stored = 'k'.repeat(MAX_STORED_KEY_LENGTH);
    const name = 'n'.repeat(MAX_NAME_LENGTH);
    const properties = encodeDeliveryProperties({
      messageKey: stored,
      producerGroup: name,
      generation: MAX_GENERATION,
      onlyGroup: name,
      contentType: 'c'.repeat(MAX_CONTENT_TYPE_LENGTH),
      headers,
      traceparent: 't'.repeat(MAX_TRACEPARENT_LENGTH),
      tracestate: 't'.repeat(MAX_TRACESTATE_LENGTH),
    });
    expect(brokerPropertiesBytes({ properties, tag: name, keys: [stored] })).toBeLessThanOrEqual(BROKER_MAX_PROPERTIES_BYTES);
    expect(Object.keys(properties).length).toBeLessThanOrEqual(BROKER_MAX_PROPERTIES);
  });
});

/** So many headers with names of full length, so many bytes together. */
function headersOf(count: number, bytes: number): Record<string, string> {
  const each = Math.floor(bytes / count) - MAX_NAME_LENGTH;
  return Object.fromEntries(Array.from({ length: count }, (_, n) => [`${n}`.padStart(MAX_NAME_LENGTH, 'h'), 'x'.repeat(each)]));
}
