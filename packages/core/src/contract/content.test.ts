import { describe, expect, it } from 'vitest';
import { brokerPropertiesBytes } from './broker-size.ts';
import { type CheckedContent, checkContent, checkTrace, headersBytes } from './content.ts';

const good: CheckedContent = {
  topic: 'T',
  tag: '',
  body: Buffer.from('x'),
  contentType: '',
  headers: {},
  traceparent: '',
  tracestate: '',
  delayLevel: 0,
};
const limits = { maxBodyBytes: 10, maxHeaders: 2, maxHeadersBytes: 200 };
const check = (changed: Partial<CheckedContent>) => checkContent('m.', { ...good, ...changed }, limits);

describe('a content at its limits', () => {
  it.each<[string, Partial<CheckedContent>]>([
    ['a body of the largest size', { body: Buffer.alloc(10) }],
    ['a content type of 128 characters', { contentType: 'x'.repeat(128) }],
    ['a content type of any printable ASCII', { contentType: ' ~' }],
    ['a traceparent of 64 characters', { traceparent: 'x'.repeat(64) }],
    ['a tracestate of 512 characters', { tracestate: 'x'.repeat(512) }],
    ['as many headers as may be', { headers: { a: '', b: '' } }],
    ['headers of the largest size, counted in UTF-8', { headers: { a: 'ä'.repeat(99), b: '' } }],
    ['a name of 64 characters', { headers: { ['x'.repeat(64)]: '' } }],
    ['a name of every allowed character', { headers: { 'aZ09_.-': '' } }],
    ['a name that holds a reserved one', { headers: { 'x-tpc': '', a__: '' } }],
    ['a value beyond ASCII', { headers: { a: '你好 😀' } }],
  ])('is good: %s', (_what, changed) => {
    expect(check(changed)).toEqual([]);
  });

  it.each<[Partial<CheckedContent>, string, string, string]>([
    [{ body: undefined }, 'm.body', 'BODY_EMPTY', 'The body is required.'],
    [{ body: Buffer.alloc(11) }, 'm.body', 'BODY_TOO_LARGE', 'The body has 11 bytes; at most 10 are allowed.'],
    [{ contentType: 'ä-' }, 'm.content_type', 'CONTENT_TYPE_SYNTAX', 'The content type may hold only characters of printable ASCII.'],
    [{ contentType: '-\u007f' }, 'm.content_type', 'CONTENT_TYPE_SYNTAX', 'The content type may hold only characters of printable ASCII.'],
    [{ traceparent: 'ä' }, 'm.traceparent', 'TRACEPARENT_SYNTAX', 'traceparent may hold only characters of printable ASCII.'],
    [{ tracestate: 'x'.repeat(513) }, 'm.tracestate', 'TRACESTATE_TOO_LONG', 'tracestate has 513 characters; at most 512 are allowed.'],
    [{ headers: { a: '', b: '', c: '' } }, 'm.headers', 'HEADERS_TOO_MANY', 'There are 3 headers; at most 2 are allowed.'],
    [{ headers: { a: 'ä'.repeat(99), b: 'x' } }, 'm.headers', 'HEADERS_TOO_LARGE', 'The headers have 201 bytes; at most 200 are allowed.'],
    [{ headers: { Tpc: '' } }, 'm.headers["Tpc"]', 'HEADER_RESERVED', 'Names that begin with "tpc" or "__" belong to TPC and the broker.'],
    [{ headers: { '': '' } }, 'm.headers[""]', 'HEADER_NAME_SYNTAX', "A header's name has 1 to 64 characters of [A-Za-z0-9_.-]."],
    [{ headers: { ' a': '' } }, 'm.headers[" a"]', 'HEADER_NAME_SYNTAX', "A header's name has 1 to 64 characters of [A-Za-z0-9_.-]."],
    [{ headers: { 'a ': '' } }, 'm.headers["a "]', 'HEADER_NAME_SYNTAX', "A header's name has 1 to 64 characters of [A-Za-z0-9_.-]."],
    [
      { headers: { ['x'.repeat(65)]: '' } },
      `m.headers["${'x'.repeat(64)}"]`,
      'HEADER_NAME_SYNTAX',
      "A header's name has 1 to 64 characters of [A-Za-z0-9_.-].",
    ],
    [{ headers: { a: '\n' } }, 'm.headers["a"]', 'HEADER_VALUE_SYNTAX', 'The value holds control characters or half of a surrogate pair.'],
  ])('is refused in words: %o', (changed, field, reason, description) => {
    expect(check(changed)).toEqual([{ field, reason, description }]);
  });

  it('is told all that is wrong with it', () => {
    expect(check({ topic: '', tag: '*', headers: { a: '\n', b: '\n' }, delayLevel: 19 }).map(({ field }) => field)).toEqual([
      'm.topic',
      'm.tag',
      'm.headers["a"]',
      'm.headers["b"]',
      'm.delay_level',
    ]);
  });
});

it('a trace context is judged by itself, too', () => {
  expect(checkTrace('', { traceparent: 'x', tracestate: 'y' })).toEqual([]);
  expect(checkTrace('', { traceparent: 'ä', tracestate: 'ö' }).map(({ field }) => field)).toEqual(['traceparent', 'tracestate']);
});

it('sizes count names and values in UTF-8, and for the broker the tag and the keys, too', () => {
  expect(headersBytes({})).toBe(0);
  expect(headersBytes({ a: 'ä', bc: '' })).toBe(5);
  expect(brokerPropertiesBytes({ properties: {}, tag: '', keys: [] })).toBe(0);
  expect(brokerPropertiesBytes({ properties: { a: 'ä', bc: 'd' }, tag: 'é', keys: ['k', 'öö'] })).toBe(13);
});
