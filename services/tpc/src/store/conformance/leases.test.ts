import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { dueInMs, GROUP, letTimePass, newClaim, PRODUCER, publish, received, startSending, subscribe, TOPIC } from './fixtures.ts';
import { STORES, type TestStore } from './stores.ts';

const HOUR_MS = 3_600_000;
const MOST_OF_IT_MS = HOUR_MS / 2;
const key = (n: number) => `${PRODUCER}:${n}`;

/** In a wrong unit a lease would be over before the work has begun, and two replicas would do it side by side. */
describe.each(STORES)('a claim is nobody else’s for its whole lease, in milliseconds, on %s', (_name, open) => {
  let test: TestStore;
  beforeAll(async () => {
    test = await open();
  });
  afterAll(() => test.close());
  beforeEach(async () => {
    await test.reset();
    await subscribe(test);
  });

  it('when a message is confirmed to be published at once', async () => {
    await startSending(test, newClaim(HOUR_MS), key(1));
    expect(await dueInMs(test, key(1))).toBeGreaterThan(MOST_OF_IT_MS);
    expect(await test.replica.claimDueToPublish(10, newClaim())).toEqual([]);
  });

  it('when a due message is claimed to be published', async () => {
    await startSending(test, newClaim(), key(1));
    await letTimePass(test);
    expect(await test.store.claimDueToPublish(10, newClaim(HOUR_MS))).toHaveLength(1);
    expect(await dueInMs(test, key(1))).toBeGreaterThan(MOST_OF_IT_MS);
    expect(await test.replica.claimDueToPublish(10, newClaim())).toEqual([]);
  });

  it('when a copy is claimed to be published again for its group', async () => {
    await publish(test, key(1), key(2));
    await test.sql(
      'UPDATE message SET published_at = published_at - ?, confirmed_at = confirmed_at - ? WHERE message_key = ?',
      HOUR_MS,
      HOUR_MS,
      key(1),
    );
    await test.store.registerConsumer({
      consumerGroup: GROUP,
      storeId: `inbox-${GROUP}`,
      instanceId: 'i-1',
      subscriptions: [{ topic: TOPIC, tags: [] }],
      host: 'h',
      idle: true,
    });
    await test.store.markDeliveries([received(key(2))]);
    await letTimePass(test);
    expect((await test.store.claimDueRedeliveries(10, newClaim(HOUR_MS))).items).toHaveLength(1);
    const [copy] = await test.sql<{ wait: number }>(
      `SELECT due_at - ${test.ctx.sql.now} AS wait FROM confirm WHERE due_at IS NOT NULL AND claim IS NOT NULL`,
    );
    expect(Number(copy?.wait)).toBeGreaterThan(MOST_OF_IT_MS);
    expect((await test.replica.claimDueRedeliveries(10, newClaim())).items).toEqual([]);
  });
});
