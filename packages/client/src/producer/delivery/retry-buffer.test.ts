import { describe, expect, it } from 'vitest';
import type { OutboxContent } from '../outbox/content-codec.ts';
import { RetryBuffer } from './retry-buffer.ts';

const content = (key: string, bytes = 0) => ({ key, topic: 'T', headers: {}, body: Buffer.alloc(bytes) }) as unknown as OutboxContent;
const keys = (held: RetryBuffer) => held.take().map(({ content: { key } }) => key);

describe('held messages', () => {
  it('are handed out once, the oldest first', () => {
    const held = new RetryBuffer({ maxBytes: 10_000, maxAgeMs: 1_000 });
    for (const key of ['a', 'b', 'a']) held.hold(content(key));
    expect(keys(held)).toEqual(['a', 'b']);
    expect(keys(held)).toEqual([]);
  });

  it('are no more than their bytes allow, and have room again once they are taken', () => {
    const held = new RetryBuffer({ maxBytes: 10_000, maxAgeMs: 1_000 });
    for (const key of ['a', 'b', 'c']) held.hold(content(key, 4_000));
    expect(keys(held)).toEqual(['a', 'b']);
    held.hold(content('c', 4_000));
    expect(keys(held)).toEqual(['c']);
  });

  it('are left to the sweeper once it looks at them, and make room', () => {
    let now = 0;
    const held = new RetryBuffer({ maxBytes: 10_000, maxAgeMs: 1_000, now: () => now });
    held.hold(content('a', 4_000));
    now = 500;
    held.hold(content('b', 4_000));
    now = 1_000;
    held.hold(content('c', 4_000));
    expect(keys(held)).toEqual(['b', 'c']);
  });

  it('do not become younger by coming back', () => {
    let now = 0;
    const held = new RetryBuffer({ maxBytes: 10_000, maxAgeMs: 1_000, now: () => now });
    held.hold(content('a'));
    for (now = 400; now < 1_000; now += 400) for (const { content: same, since } of held.take()) held.hold(same, since);
    now = 1_000;
    expect(keys(held)).toEqual([]);
  });
});
