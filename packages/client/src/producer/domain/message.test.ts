import { DEFAULT_MAX_BODY_BYTES, MAX_HEADERS_BYTES } from '@tpc/core';
import { describe, expect, it } from 'vitest';
import { checkGroup, checkMessage, InvalidMessage, type OutboxMessage } from './message.ts';

const GOOD: OutboxMessage = { topic: 'SEND_EMAIL_TOPIC', body: 'x' };

describe('checkMessage', () => {
  it('fills in what is left out and turns text into UTF-8', () => {
    expect(checkMessage({ ...GOOD, body: 'ä' }, 'UAC')).toEqual({
      key: undefined,
      topic: 'SEND_EMAIL_TOPIC',
      tag: '',
      body: Buffer.from([0xc3, 0xa4]),
      contentType: '',
      headers: {},
      sendType: 'WAIT_CONFIRM',
    });
  });

  it.each<[string, Partial<OutboxMessage>]>([
    ['a body of 1 MiB', { body: 'x'.repeat(DEFAULT_MAX_BODY_BYTES) }],
    ['bytes', { body: new Uint8Array([0]) }],
    ['64 headers', { headers: Object.fromEntries(Array.from({ length: 64 }, (_, n) => [`h${n}`, ''])) }],
    ['headers of the largest size', { headers: { h: 'x'.repeat(MAX_HEADERS_BYTES - 1) } }],
    ['a tag', { tag: 'A_b-9' }],
  ])('takes %s', (_name, part) => {
    expect(() => checkMessage({ ...GOOD, ...part }, 'UAC')).not.toThrow();
  });

  it('goes by the limits that TPC has told', () => {
    const limits = { maxBodyBytes: 10, maxHeaders: 1, maxHeadersBytes: 4 };
    expect(() => checkMessage({ ...GOOD, body: 'x'.repeat(10), headers: { a: 'bcd' } }, 'UAC', limits)).not.toThrow();
    expect(() => checkMessage({ ...GOOD, body: 'x'.repeat(11) }, 'UAC', limits)).toThrow('The body has 11 bytes; at most 10 are allowed.');
    expect(() => checkMessage({ ...GOOD, headers: { a: 'bcde' } }, 'UAC', limits)).toThrow(InvalidMessage);
    expect(() => checkMessage({ ...GOOD, headers: { a: '', b: '' } }, 'UAC', limits)).toThrow(InvalidMessage);
  });

  it.each<[string, unknown]>([
    ['topic', { topic: '' }],
    ['topic', { topic: 'a.b' }],
    ['topic', { topic: 'x'.repeat(65) }],
    ['topic', { topic: undefined }],
    ['tag', { tag: 'a||b' }],
    ['tag', { tag: 'x'.repeat(65) }],
    ['body', { body: '' }],
    ['body', { body: 'x'.repeat(DEFAULT_MAX_BODY_BYTES + 1) }],
    ['body', { body: 'ä'.repeat(DEFAULT_MAX_BODY_BYTES / 2 + 1) }],
    ['body', { body: { a: 1 } }],
    ['key', { key: 'OPC:x' }],
    ['key', { key: 7 }],
    ['contentType', { contentType: 'x'.repeat(129) }],
    ['contentType', { contentType: 'a\nb' }],
    ['sendType', { sendType: 'DIRECT_SEND' }],
    ['headers', { headers: Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`h${n}`, ''])) }],
    ['headers', { headers: { h: 'x'.repeat(MAX_HEADERS_BYTES) } }],
    ['headers', { headers: { h: 'ä'.repeat(MAX_HEADERS_BYTES / 2) } }],
    ['headers["a"]', { headers: { a: 'x\ty' } }],
    ['headers["a"]', { headers: { a: 'x\u0001' } }],
    ['headers["a"]', { headers: { a: 'half \ud83d' } }],
    ['body', { body: 'half \ud83d' }],
    ['headers["tpc-key"]', { headers: { 'tpc-key': '' } }],
    ['headers["TPC"]', { headers: { TPC: '' } }],
    ['headers["__x"]', { headers: { __x: '' } }],
    ['headers["a b"]', { headers: { 'a b': '' } }],
    ['headers["a"]', { headers: { a: 1 } }],
  ])('names the field %s', (field, part) => {
    const check = () => checkMessage({ ...GOOD, ...(part as Partial<OutboxMessage>) }, 'UAC');
    expect(check).toThrow(InvalidMessage);
    expect(check).toThrow(expect.objectContaining({ field }));
  });

  it.each<[unknown, string]>([
    [{ sendType: 'DIRECT_SEND' }, 'sendType must be WAIT_CONFIRM or SAVE_AND_SEND'],
    [{ topic: undefined }, 'topic must be a string'],
    [{ headers: { a: 1 } }, 'headers["a"] must be a string'],
    [{ body: { a: 1 } }, 'body must be a string or bytes'],
    [{ body: 'half \ud83d' }, 'body holds half of a surrogate pair'],
    [{ topic: '' }, 'topic is not valid: The topic is required.'],
    [{ key: 'OPC:x' }, 'key is not valid: The message key must be a UUID in lower case, or begin with "UAC:" and go on.'],
  ])('says in words what is wrong: %j', (part, words) => {
    const check = () => checkMessage({ ...GOOD, ...(part as Partial<OutboxMessage>) }, 'UAC');
    expect(check).toThrow(expect.objectContaining({ name: 'InvalidMessage', message: words }));
  });

  it('leaves as they are the key, how it is sent, and the bytes of a part of a buffer', () => {
    const bytes = new Uint8Array([1, 2, 3, 4]).subarray(1, 3);
    expect(checkMessage({ ...GOOD, key: 'UAC:1', sendType: 'SAVE_AND_SEND', body: bytes }, 'UAC')).toMatchObject({
      key: 'UAC:1',
      sendType: 'SAVE_AND_SEND',
      body: Buffer.from([2, 3]),
    });
  });
});

describe('checkGroup', () => {
  it('takes the name of a group alone', () => {
    expect(() => checkGroup('PID_UAC')).not.toThrow();
    expect(() => checkGroup('')).toThrow('group is not valid: The producer group is required.');
    expect(() => checkGroup('a:b')).toThrow(InvalidMessage);
  });
});
