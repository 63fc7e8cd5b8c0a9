import { MAX_BATCH } from '@tpc/core';
import { describe, expect, it } from 'vitest';
import { inChunks, outcomeInChunks } from './in-chunks.ts';

const items = Array.from({ length: MAX_BATCH * 2 + 1 }, (_, n) => n);

describe('a batch that is too large for one transaction', () => {
  it('is done in parts, and answered in order', async () => {
    const sizes: number[] = [];
    const results = await inChunks(items, async (part) => {
      sizes.push(part.length);
      return part.map((n) => n * 2);
    });
    expect(results).toEqual(items.map((n) => n * 2));
    expect(sizes).toEqual([MAX_BATCH, MAX_BATCH, 1]);
    expect(await inChunks([], async () => [1])).toEqual([]);
  });

  it('keeps all that is to be published, and the first trouble', async () => {
    const outcome = await outcomeInChunks(items, async (part) => ({
      results: [...part],
      publish: [part.length],
      ...(part.length === 1 ? {} : { contentError: part[0] }),
    }));
    expect(outcome).toEqual({ results: items, publish: [MAX_BATCH, MAX_BATCH, 1], contentError: 0 });
  });
});
