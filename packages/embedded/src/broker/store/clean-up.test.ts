import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openDatabase } from './schema.ts';
import { BrokerStore, type TakenMessage } from './store.ts';

const T = 'T';
const take = { topic: T, filter: () => true, count: 32, invisibleMs: 30_000 };

describe('clean-up', () => {
  let db: ReturnType<typeof openDatabase>;
  let store: BrokerStore;
  beforeEach(() => {
    db = openDatabase(join(mkdtempSync(join(tmpdir(), 'tpc-broker-')), 'broker.db'));
    store = new BrokerStore(db, { newGroupStartsAt: 'earliest', maxDeliveryAttempts: 16, toDeadLetter: (message) => message });
  });
  afterEach(() => db.close());

  const append = (count: number, now: number) => {
    store.append(
      T,
      Array.from({ length: count }, () => ({ tag: '', envelope: Buffer.from('e'), body: Buffer.from('b') })),
      now,
    );
  };
  const acknowledge = (group: string, messages: TakenMessage[], now: number) => {
    for (const { seq, attempt, nonce } of messages) store.acknowledge(group, { messageSeq: seq, attempt, nonce }, now);
  };
  const kept = () => db.prepare('SELECT id FROM message ORDER BY id').pluck().all();
  const cleanUp = (limits: { olderThan: number; settledOlderThan: number }) => {
    for (let after: number | undefined = 0; after !== undefined; ) after = store.cleanUp(after, { ...limits, count: 2 }).after;
  };

  it('deletes what every group has acknowledged, and nothing that one of them still has to', () => {
    append(4, 1_000);
    acknowledge('G1', store.take({ ...take, group: 'G1', now: 2_000 }), 2_000);
    const second = store.take({ ...take, group: 'G2', count: 3, now: 2_000 });
    acknowledge('G2', [second[0]!, second[2]!], 2_000);
    cleanUp({ olderThan: 0, settledOlderThan: 5_000 });
    expect(kept()).toEqual([2, 4]);
  });

  it('keeps what is settled for its time, and what no group has subscribed', () => {
    append(2, 1_000);
    cleanUp({ olderThan: 0, settledOlderThan: 5_000 });
    expect(kept()).toEqual([1, 2]);
    acknowledge('G', store.take({ ...take, group: 'G', now: 2_000 }), 2_000);
    cleanUp({ olderThan: 0, settledOlderThan: 1_000 });
    expect(kept()).toEqual([1, 2]);
  });

  it('deletes what is too old, with its deliveries', () => {
    append(3, 1_000);
    append(1, 9_000);
    store.take({ ...take, group: 'G', now: 2_000 });
    cleanUp({ olderThan: 5_000, settledOlderThan: 5_000 });
    expect(kept()).toEqual([4]);
    expect(store.take({ ...take, group: 'G', now: 100_000 }).map(({ seq }) => seq)).toEqual([4]);
  });

  it('never uses a number again, so that a group misses nothing after everything was deleted', () => {
    append(2, 1_000);
    acknowledge('G', store.take({ ...take, group: 'G', now: 2_000 }), 2_000);
    cleanUp({ olderThan: 0, settledOlderThan: 5_000 });
    expect(kept()).toEqual([]);
    append(1, 6_000);
    expect(store.take({ ...take, group: 'G', now: 7_000 }).map(({ seq }) => seq)).toEqual([3]);
  });
});
