import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { conflictKey, contentHash, type HashedContent } from './content-hash.ts';

const content: HashedContent = { topic: 'T', tag: 'A', body: Buffer.from('body'), contentType: 'text/plain', headers: { a: '1', b: '2' } };
const hex = (changed: Partial<HashedContent> = {}) => contentHash({ ...content, ...changed }).toString('hex');

/** As in the docstring: each part with its length in bytes before it. */
function canonical(...parts: string[]): Buffer {
  return Buffer.concat(
    parts.flatMap((part) => {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(Buffer.byteLength(part));
      return [length, Buffer.from(part)];
    }),
  );
}

describe('contentHash', () => {
  it('never changes for a stored content', () => {
    expect(hex()).toBe('9aa6efc1259d0f03637b86280c6c078a0b0e06f10d796a9a68d8802b1f8a3869');
  });

  it('does not depend on the order of headers, nor on trace headers', () => {
    expect(hex({ headers: { b: '2', traceparent: '00-x', Baggage: 'y', tracestate: 'z', a: '1' } })).toBe(hex());
  });

  it.each<[string, Partial<HashedContent>]>([
    ['topic', { topic: 'U' }],
    ['tag', { tag: '' }],
    ['body', { body: Buffer.from('bodY') }],
    ['content type', { contentType: '' }],
    ['a header', { headers: { a: '1', b: '3' } }],
    ['a header less', { headers: { a: '1' } }],
    ['order key', { orderKey: 'k' }],
    ['order place', { orderSeq: 1 }],
    ['delay', { delayMs: 1 }],
    ['delivery time', { deliverAt: 1 }],
  ])('differs when the %s differs', (_what, changed) => {
    expect(hex(changed)).not.toBe(hex());
  });

  it('does not mistake a shifted boundary for the same content', () => {
    expect(hex({ topic: 'TA', tag: '' })).not.toBe(hex({ topic: 'T', tag: 'A' }));
    expect(hex({ headers: { a: '1b', c: '2' } })).not.toBe(hex({ headers: { a: '1', bc: '2' } }));
  });

  it('counts bytes, not characters', () => {
    expect(hex({ topic: 'ä', tag: '' })).toBe(
      createHash('sha256')
        .update(canonical('ä', '', 'text/plain', '2', 'a', '1', 'b', '2', '', '0', '0', '0', 'body'))
        .digest('hex'),
    );
  });

  it('gives a conflicting content a key that says whose rival it is', () => {
    expect(conflictKey('P:1', contentHash(content))).toBe(`P:1#${hex().slice(0, 16)}`);
  });
});
