import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { itemOf, subscribe, TAG, TOPIC } from '../conformance/fixtures.ts';
import { openSqlite, type TestStore } from '../conformance/stores.ts';
import { SubscriptionView } from './subscription-view.ts';

describe('what is remembered of the subscriptions', () => {
  let test: TestStore;
  let now: number;
  let view: SubscriptionView;
  const has = async (topic: string, tag: string) => (await view.areTaken([{ topic, tag }]))[0];
  let reads: number;
  beforeAll(async () => {
    test = await openSqlite();
    test.knex.on('query', ({ sql }: { sql: string }) => {
      if (sql.startsWith('SELECT DISTINCT')) reads += 1;
    });
  });
  afterAll(() => test.close());
  beforeEach(async () => {
    await test.reset();
    now = 0;
    reads = 0;
    view = new SubscriptionView(test.ctx, () => now);
  });

  it('a yes costs one read for some seconds, then is looked up again', async () => {
    await subscribe(test);
    for (let n = 0; n < 5; n++) expect(await has(TOPIC, TAG)).toBe(true);
    expect(reads).toBe(1);
    now = 60_000;
    await test.sql('UPDATE subscription SET active = 0');
    expect(await has(TOPIC, TAG)).toBe(false);
  });

  it('a no is never believed from memory: who has just registered is seen at once', async () => {
    expect(await has(TOPIC, TAG)).toBe(false);
    await subscribe(test);
    expect(await has(TOPIC, TAG)).toBe(true);
    expect(await has(TOPIC, 'OTHER')).toBe(false);
    await subscribe(test, 'CID_ALL', TOPIC, []);
    expect(await has(TOPIC, 'OTHER')).toBe(true);
  });

  it('many at once cost one read, also those that nobody takes', async () => {
    await subscribe(test);
    const wanted = Array.from({ length: 100 }, (_, n) => ({ topic: TOPIC, tag: n % 2 === 0 ? TAG : `NOBODY_${n}` }));
    expect(await view.areTaken(wanted)).toEqual(wanted.map(({ tag }) => tag === TAG));
    expect(reads).toBe(1);
  });

  it('a batch of messages that nobody takes is refused by one look', async () => {
    const items = Array.from({ length: 100 }, (_, n) => itemOf(`P:${n}`, { tag: `NOBODY_${n}` }));
    for (const result of await test.store.saveMessages(items)) expect(result).toMatchObject({ refused: 'NO_SUBSCRIBER' });
    const { results } = await test.store.saveAndSendMessages(
      items.map((item) => ({ ...item, committed: false })),
      { token: 1, leaseMs: 1_000 },
    );
    for (const result of results) expect(result).toMatchObject({ refused: 'NO_SUBSCRIBER' });
    expect(reads).toBe(2);
  });

  it('callers at the same moment share their reads', async () => {
    await subscribe(test);
    expect(await Promise.all(Array.from({ length: 50 }, () => has(TOPIC, TAG)))).toEqual(Array.from({ length: 50 }, () => true));
    expect(reads).toBeLessThanOrEqual(2);
  });
});
