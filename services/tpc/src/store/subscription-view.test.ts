import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { subscribe, TAG, TOPIC } from './conformance/fixtures.ts';
import { openSqlite, type TestStore } from './conformance/stores.ts';
import { SubscriptionView } from './subscription-view.ts';

describe('what is remembered of the subscriptions', () => {
  let test: TestStore;
  let now: number;
  let view: SubscriptionView;
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
    for (let n = 0; n < 5; n++) expect(await view.has(TOPIC, TAG)).toBe(true);
    expect(reads).toBe(1);
    now = 60_000;
    await test.sql('UPDATE subscription SET active = 0');
    expect(await view.has(TOPIC, TAG)).toBe(false);
  });

  it('a no is never believed from memory: who has just registered is seen at once', async () => {
    expect(await view.has(TOPIC, TAG)).toBe(false);
    await subscribe(test);
    expect(await view.has(TOPIC, TAG)).toBe(true);
    expect(await view.has(TOPIC, 'OTHER')).toBe(false);
    await subscribe(test, 'CID_ALL', TOPIC, []);
    expect(await view.has(TOPIC, 'OTHER')).toBe(true);
  });

  it('callers at the same moment share their reads', async () => {
    await subscribe(test);
    expect(await Promise.all(Array.from({ length: 50 }, () => view.has(TOPIC, TAG)))).toEqual(Array.from({ length: 50 }, () => true));
    expect(reads).toBeLessThanOrEqual(2);
  });
});
