import { describe, expect, it } from 'vitest';
import type { ClaimedRow } from '../domain/inbox-row.ts';
import { Activity } from '../isolated/activity.ts';
import { PrefetchQueue } from './prefetch-queue.ts';

const row = (messageKey: string) => ({ messageKey, body: Buffer.from('x') }) as unknown as ClaimedRow;

describe('PrefetchQueue', () => {
  it('gives a handler of batches together what was stored together', async () => {
    const batches: string[][] = [];
    const queue = new PrefetchQueue({
      topic: 'T',
      execute: async (rows) => void batches.push(rows.map(({ messageKey }) => messageKey)),
      concurrency: 8,
      maxBatch: 16,
      leaseMs: 60_000,
      maxInMemory: 100,
      maxInMemoryBytes: 1_000_000,
      canHold: () => true,
      activity: new Activity(),
      onRoom: () => {},
    });
    queue.open();
    // As the inbox does it: messages are stored by one statement, and then each goes on by itself.
    const stored = Promise.withResolvers<void>();
    const keys = Array.from({ length: 20 }, (_, index) => `k${index}`);
    const handled = keys.map(async (key) => {
      queue.reserve(1);
      await stored.promise;
      queue.push([row(key)], 1);
    });
    stored.resolve();
    await Promise.all(handled);
    await new Promise(setImmediate);
    await queue.idle();
    expect(batches.flat().sort()).toEqual([...keys].sort());
    expect(batches.map(({ length }) => length)).toEqual([16, 4]);
  });
});
