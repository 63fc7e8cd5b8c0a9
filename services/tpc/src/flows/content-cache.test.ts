import { describe, expect, it } from 'vitest';
import type { MessageContent } from '../store/store-types.ts';
import { createContentCache } from './content-cache.ts';

const content = (bytes: number): MessageContent => ({
  topic: 'T',
  tag: '',
  body: Buffer.alloc(bytes),
  contentType: '',
  headers: {},
  traceparent: '',
  tracestate: '',
});

describe('content cache', () => {
  it('gives a content once', () => {
    const cache = createContentCache(10_000);
    const one = content(1);
    cache.put('P', 'k', one);
    expect(cache.take('P', 'k')).toBe(one);
    expect(cache.take('P', 'k')).toBeUndefined();
  });

  it('keeps the groups apart', () => {
    const cache = createContentCache(10_000);
    cache.put('P', 'k', content(1));
    expect(cache.take('Q', 'k')).toBeUndefined();
  });

  it('forgets the oldest when it is full, and counts what it gave away', () => {
    const cache = createContentCache(4_000);
    for (const key of ['a', 'b', 'c', 'd']) cache.put('P', key, content(1_000));
    expect(['a', 'b', 'c', 'd'].map((key) => cache.take('P', key) !== undefined)).toEqual([false, false, true, true]);
    for (const key of ['e', 'f']) cache.put('P', key, content(1_000));
    expect(['e', 'f'].map((key) => cache.take('P', key) !== undefined)).toEqual([true, true]);
  });

  it('makes room for many when it is full, not for one', () => {
    const cache = createContentCache(160_000);
    const keys = Array.from({ length: 106 }, (_, index) => `k${index}`);
    for (const key of keys) cache.put('P', key, content(1_000));
    const kept = keys.filter((key) => cache.take('P', key) !== undefined);
    expect(kept).toEqual(keys.slice(14));
  });

  it('does not count a content twice that is put twice', () => {
    const cache = createContentCache(3_500);
    cache.put('P', 'a', content(1_000));
    for (let round = 0; round < 10; round++) cache.put('P', 'b', content(1_000));
    expect(cache.take('P', 'a')).toBeDefined();
  });

  it('keeps nothing when it may hold nothing', () => {
    const cache = createContentCache(0);
    cache.put('P', 'k', content(1));
    expect(cache.take('P', 'k')).toBeUndefined();
  });
});
