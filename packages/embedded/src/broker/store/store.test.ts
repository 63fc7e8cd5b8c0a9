import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openDatabase } from './schema.ts';
import { BrokerStore } from './store.ts';

const take = { group: 'G', topic: 'T', filter: () => true, count: 32, invisibleMs: 10_000 };
const row = (tag: string) => ({ tag, envelope: Buffer.from('e'), body: Buffer.from('b') });

describe('broker store', () => {
  let db: ReturnType<typeof openDatabase>;
  let store: BrokerStore;
  beforeEach(() => {
    db = openDatabase(join(mkdtempSync(join(tmpdir(), 'tpc-broker-')), 'broker.db'));
    store = new BrokerStore(db, { newGroupStartsAt: 'earliest', maxDeliveryAttempts: 16, toDeadLetter: (message) => message });
  });
  afterEach(() => db.close());

  it('puts back what never reached its consumer: due at once, and that delivery does not count', () => {
    store.append('T', [row('')], 0);
    const [taken] = store.take({ ...take, now: 1_000 });
    expect(taken).toMatchObject({ seq: 1, attempt: 1 });
    store.release('G', [{ messageSeq: 1, attempt: 1, nonce: taken!.nonce }], 1_001);
    expect(store.take({ ...take, now: 1_001 })).toMatchObject([{ seq: 1, attempt: 1 }]);
  });

  it('knows when the next delivery is due again, to the moment', () => {
    expect(store.nextDue('G', 'T')).toBeUndefined();
    store.append('T', [row('')], 0);
    store.take({ ...take, now: 1_000 });
    expect(store.nextDue('G', 'T')).toBe(11_000);
    expect(store.take({ ...take, now: 10_999 })).toEqual([]);
    expect(store.take({ ...take, now: 11_000 })).toMatchObject([{ seq: 1, attempt: 2 }]);
  });

  it('finds the few messages of a tag behind many of others, and does not look at those again', () => {
    store.append('T', [...Array.from({ length: 1_000 }, () => row('OTHER')), row('WANTED')], 0);
    const wanted = { ...take, filter: (tag: string) => tag === 'WANTED', now: 1_000 };
    expect(store.take(wanted)).toMatchObject([{ seq: 1_001 }]);
    expect(db.prepare('SELECT cursor FROM subscription').pluck().get()).toBe(1_001);
  });

  it('hands out no more than asked for, what is due again first', () => {
    store.append('T', [row(''), row(''), row('')], 0);
    store.take({ ...take, count: 1, now: 1_000 });
    expect(store.take({ ...take, count: 2, now: 20_000 }).map(({ seq, attempt }) => [seq, attempt])).toEqual([
      [1, 2],
      [2, 1],
    ]);
  });
});
