import { describe, expect, it } from 'vitest';
import { takeBatch, wireBytes } from './batching.ts';

const item = (bytes: number) => ({ bytes });
const CAPS = { maxCount: 3, maxBytes: 100 };

describe('takeBatch', () => {
  it('takes from the front and leaves the rest in order', () => {
    const queue = [10, 20, 30, 40].map(item);
    expect(takeBatch(queue, CAPS)).toEqual([10, 20, 30].map(item));
    expect(queue).toEqual([item(40)]);
  });

  it('stops before the sum would pass the byte cap', () => {
    const queue = [60, 40, 1].map(item);
    expect(takeBatch(queue, CAPS)).toEqual([60, 40].map(item));
  });

  it('takes a message larger than the cap alone, so that it cannot stand in the way for ever', () => {
    const queue = [500, 1].map(item);
    expect(takeBatch(queue, CAPS)).toEqual([item(500)]);
    expect(takeBatch(queue, CAPS)).toEqual([item(1)]);
  });

  it('takes nothing from an empty queue', () => {
    expect(takeBatch([], CAPS)).toEqual([]);
  });
});

describe('wireBytes', () => {
  it('counts properties by the longest form of their characters, so that a batch never passes its cap on the wire', () => {
    const text = '你好';
    const plain = wireBytes({ body: Buffer.from('1234'), keys: [], properties: {} });
    expect(wireBytes({ body: Buffer.from('1234'), keys: ['key'], properties: { k: text } })).toBeGreaterThanOrEqual(
      plain + 3 + 1 + Buffer.byteLength(text),
    );
    expect(plain).toBeGreaterThan(4);
  });
});
