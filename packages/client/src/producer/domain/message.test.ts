import { describe, expect, it } from 'vitest';
import { checkMessage, InvalidMessage, MAX_BODY_BYTES, type OutboxMessage } from './message.ts';

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
    ['a body of 1 MiB', { body: 'x'.repeat(MAX_BODY_BYTES) }],
    ['bytes', { body: new Uint8Array([0]) }],
    ['64 headers', { headers: Object.fromEntries(Array.from({ length: 64 }, (_, n) => [`h${n}`, ''])) }],
    ['headers of 16 KiB', { headers: { h: 'x'.repeat(16 * 1024 - 1) } }],
    ['a tag', { tag: 'A_b-9' }],
  ])('takes %s', (_name, part) => {
    expect(() => checkMessage({ ...GOOD, ...part }, 'UAC')).not.toThrow();
  });

  it.each<[string, unknown]>([
    ['topic', { topic: '' }],
    ['topic', { topic: 'a.b' }],
    ['topic', { topic: 'x'.repeat(65) }],
    ['topic', { topic: undefined }],
    ['tag', { tag: 'a||b' }],
    ['tag', { tag: 'x'.repeat(65) }],
    ['body', { body: '' }],
    ['body', { body: 'x'.repeat(MAX_BODY_BYTES + 1) }],
    ['body', { body: 'ä'.repeat(MAX_BODY_BYTES / 2 + 1) }],
    ['body', { body: { a: 1 } }],
    ['key', { key: 'OPC:x' }],
    ['key', { key: 7 }],
    ['contentType', { contentType: 'x'.repeat(129) }],
    ['contentType', { contentType: 'a\nb' }],
    ['sendType', { sendType: 'DIRECT_SEND' }],
    ['headers', { headers: Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`h${n}`, ''])) }],
    ['headers', { headers: { h: 'x'.repeat(16 * 1024) } }],
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
});
