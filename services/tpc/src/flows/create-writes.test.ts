import { BatchDeadlineExceeded, BatcherFull, MAX_BATCH } from '@tpc/core';
import { describe, expect, it, vi } from 'vitest';
import type { ConfirmItem, MessageContent, PublishItem, SaveItem, StateResult } from '../store/store-types.ts';
import { createWrites } from './create-writes.ts';

const NO_DEADLINE = Number.POSITIVE_INFINITY;
const content = (text: string): MessageContent => ({
  topic: 'T',
  tag: '',
  body: Buffer.from(text),
  contentType: '',
  headers: {},
  traceparent: '',
  tracestate: '',
});
const saveItem = (messageKey: string, text = 'b'): SaveItem => ({ producerGroup: 'P', storeId: 's', messageKey, content: content(text) });
const confirmItem = (messageKey: string): ConfirmItem => ({ producerGroup: 'P', messageKey });

/** Writes over a store whose saves and confirms the test answers. */
function bench(maxQueued = 1_000) {
  const claim = { token: 7, leaseMs: 1_000, endsAt: NO_DEADLINE };
  const publish = vi.fn();
  const onContentError = vi.fn();
  const saveMessages = vi.fn(async (items: readonly SaveItem[]): Promise<StateResult[]> => items.map(() => ({ state: 10 })));
  const confirmMessages = vi.fn(async (items: readonly ConfirmItem[]) => ({
    results: items.map((): StateResult => ({ state: 20 })),
    publish: items.map((item) => ({ messageKey: item.messageKey }) as PublishItem),
    contentError: undefined as unknown,
  }));
  const unused = () => Promise.reject(new Error('not used here'));
  const store = { saveMessages, confirmMessages, saveAndSendMessages: unused, deleteMessages: unused, applyVerdicts: unused, markDeliveries: unused };
  const writes = createWrites({ store, publishing: { newClaim: () => claim, publish }, maxQueued, contentCacheBytes: 1_000_000, onContentError });
  return { writes, store, publish, claim, onContentError };
}

describe('writes', () => {
  it('put what comes during a flush into the next one, single calls and batches alike', async () => {
    const { writes, store } = bench();
    const { promise: first, resolve: goOn } = Promise.withResolvers<StateResult[]>();
    store.saveMessages.mockReturnValueOnce(first);
    const calls = [writes.save(saveItem('1'), NO_DEADLINE)];
    await vi.waitFor(() => expect(store.saveMessages).toHaveBeenCalledTimes(1));
    for (const key of ['2', '3', '4']) calls.push(writes.save(saveItem(key), NO_DEADLINE));
    goOn([{ state: 10 }]);
    await Promise.all(calls);
    expect(store.saveMessages.mock.calls.map(([items]) => items.map(({ messageKey }) => messageKey))).toEqual([['1'], ['2', '3', '4']]);
  });

  it('drop a caller whose deadline passed while it waited, and nobody else', async () => {
    const { writes, store } = bench();
    const { promise: first, resolve: goOn } = Promise.withResolvers<StateResult[]>();
    store.saveMessages.mockReturnValueOnce(first);
    void writes.save(saveItem('1'), NO_DEADLINE);
    await vi.waitFor(() => expect(store.saveMessages).toHaveBeenCalledTimes(1));
    const late = writes.save(saveItem('late'), performance.now() - 1);
    const early = writes.save(saveItem('early'), NO_DEADLINE);
    goOn([{ state: 10 }]);
    await expect(late).rejects.toBeInstanceOf(BatchDeadlineExceeded);
    expect(await early).toEqual({ state: 10 });
    expect(store.saveMessages.mock.calls[1]?.[0].map(({ messageKey }) => messageKey)).toEqual(['early']);
  });

  it('flush no more at once than the store does in one transaction, so that no part of a flush can hide what another has claimed', async () => {
    const { writes, store, publish } = bench(2_000);
    const keys = Array.from({ length: 3 * MAX_BATCH }, (_, n) => `${n}`);
    await Promise.all(keys.map((key) => writes.confirm(confirmItem(key), NO_DEADLINE)));
    for (const [items] of store.confirmMessages.mock.calls) expect(items.length).toBeLessThanOrEqual(MAX_BATCH);
    expect(publish.mock.calls.flatMap(([, items]) => items)).toHaveLength(keys.length);
  });

  it('refuse what they cannot hold', async () => {
    const { writes } = bench(1);
    const taken = writes.save(saveItem('1'), NO_DEADLINE);
    await expect(writes.save(saveItem('2'), NO_DEADLINE)).rejects.toBeInstanceOf(BatcherFull);
    await taken;
  });

  it('hand a confirmed message over to be published, under the claim that stands in its row', async () => {
    const { writes, publish, claim, store } = bench();
    await writes.confirm(confirmItem('1'), NO_DEADLINE);
    expect(store.confirmMessages).toHaveBeenCalledWith([expect.objectContaining({ messageKey: '1' })], claim);
    expect(publish).toHaveBeenCalledWith(claim, [{ messageKey: '1' }]);
  });

  it('confirm with the content that was saved a moment ago, and without one that was refused', async () => {
    const { writes, store } = bench();
    store.saveMessages.mockResolvedValueOnce([{ state: 10 }, { refused: 'KEY_CONFLICT', metadata: {} }]);
    await Promise.all([writes.save(saveItem('1', 'mine'), NO_DEADLINE), writes.save(saveItem('2', 'refused'), NO_DEADLINE)]);
    await Promise.all([writes.confirm(confirmItem('1'), NO_DEADLINE), writes.confirm(confirmItem('2'), NO_DEADLINE)]);
    const confirmed = store.confirmMessages.mock.calls.flatMap(([items]) => items);
    expect(confirmed.map((item) => item.content?.body.toString())).toEqual(['mine', undefined]);
  });

  it('answer a confirm that is durable although its body could not be read, and tell of that', async () => {
    const { writes, store, onContentError } = bench();
    const lost = new Error('connection lost');
    store.confirmMessages.mockResolvedValueOnce({ results: [{ state: 20 }], publish: [], contentError: lost });
    expect(await writes.confirm(confirmItem('1'), NO_DEADLINE)).toEqual({ state: 20 });
    expect(onContentError).toHaveBeenCalledWith(lost);
  });

  it('fail the one item that cannot be stored, not its neighbours', async () => {
    const { writes, store } = bench();
    store.saveMessages.mockImplementation(async (items) => {
      if (items.some(({ messageKey }) => messageKey === 'bad')) throw Object.assign(new Error('too long'), { errno: 1406 });
      return items.map(() => ({ state: 10 as const }));
    });
    const results = await Promise.allSettled(['1', 'bad', '3'].map((key) => writes.save(saveItem(key), NO_DEADLINE)));
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  });

  it('ask a database with a fault of its own once for a batch, also where nobody knows that fault', async () => {
    const { writes, store } = bench();
    const full = Object.assign(new Error('an error of a kind that nobody has listed'), { errno: 1105 });
    store.saveMessages.mockRejectedValue(full);
    const calls = Array.from({ length: 8 }, (_, n) => writes.save(saveItem(String(n)), NO_DEADLINE));
    for (const result of await Promise.allSettled(calls)) expect(result).toMatchObject({ status: 'rejected', reason: full });
    // The first may have left before the others came.
    expect(store.saveMessages.mock.calls.length).toBeLessThanOrEqual(2);
  });

  it('ask an absent database once for a batch, not for each of its items', async () => {
    const { writes, store } = bench();
    store.saveMessages.mockRejectedValue(Object.assign(new Error('away'), { code: 'ECONNREFUSED' }));
    await Promise.allSettled(['1', '2', '3', '4'].map((key) => writes.save(saveItem(key), NO_DEADLINE)));
    expect(store.saveMessages).toHaveBeenCalledTimes(1);
  });
});
