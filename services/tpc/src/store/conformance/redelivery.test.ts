import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { DEFAULT_POLICIES } from '../create-store.ts';
import type { RedeliveryItem } from '../store-types.ts';
import {
  consumed,
  copiesOf,
  eventsOf,
  failed,
  GROUP,
  letTimePass,
  newClaim,
  PRODUCER,
  publish,
  received,
  rowOf,
  startSending,
  subscribe,
  TOPIC,
} from './fixtures.ts';
import { STORES, type TestStore } from './stores.ts';

const key = (n: number | string) => `${PRODUCER}:${n}`;
const MINUTE = 60_000;

/** As if the message had been published so long ago. */
async function publishedAgo(test: TestStore, messageKey: string, ms: number): Promise<void> {
  await test.sql('UPDATE message SET published_at = published_at - ?, confirmed_at = confirmed_at - ? WHERE message_key = ?', ms, ms, messageKey);
}

/** A heartbeat of the group's instance that says idle or busy. */
async function heartbeat(test: TestStore, idle: boolean, instanceId = `${GROUP}-1`): Promise<void> {
  const subscriptions = [{ topic: TOPIC, tags: [] }];
  await test.store.registerConsumer({ consumerGroup: GROUP, storeId: `inbox-${GROUP}`, instanceId, subscriptions, host: 'h', idle });
}

const resultsOf = (items: readonly RedeliveryItem[], outcome: 'published' | 'retry' | 'refused') =>
  items.map(({ messageId, consumerGroup, attempts }) => ({ messageId, consumerGroup, attempts, outcome }));

describe.each(STORES)('redelivery, on %s', (_name, open) => {
  let test: TestStore;
  beforeAll(async () => {
    test = await open();
  });
  afterAll(() => test.close());
  beforeEach(() => test.reset());

  it('is not due before its first wait, and not at all once the group has received', async () => {
    await subscribe(test);
    await publish(test, key(1), key(2));
    await heartbeat(test, true);
    await publishedAgo(test, key(1), 2 * MINUTE);
    expect(await test.store.claimDueRedeliveries(10, newClaim())).toEqual({ items: [], examined: 0 });
    await test.store.markDeliveries([received(key(1)), failed(key(2))]);
    await letTimePass(test);
    expect(await test.store.claimDueRedeliveries(10, newClaim())).toEqual({ items: [], examined: 0 });
  });

  it('leaves a healthy backlog alone, and does not even look at it', async () => {
    await subscribe(test);
    await publish(test, key(1));
    await heartbeat(test, false);
    await letTimePass(test);
    await publishedAgo(test, key(1), 30 * MINUTE);
    expect(await test.store.claimDueRedeliveries(10, newClaim())).toEqual({ items: [], examined: 0 });
  });

  it('looks less and less often at what waits while its group goes on with other topics', async () => {
    await subscribe(test);
    await publish(test, key(1));
    await heartbeat(test, false);
    await test.sql(
      `INSERT INTO group_progress (group_id, topic_id, latest_published_at, updated_at) SELECT id, 4711, ${test.ctx.sql.now}, 1 FROM consumer_group`,
    );
    const waits: number[] = [];
    for (const age of [0, 3 * MINUTE, 30 * MINUTE]) {
      await letTimePass(test);
      await publishedAgo(test, key(1), age);
      expect((await test.store.claimDueRedeliveries(10, newClaim())).items).toEqual([]);
      const [row] = await test.sql<{ wait: number }>(`SELECT due_at - ${test.ctx.sql.now} AS wait FROM confirm WHERE due_at IS NOT NULL`);
      waits.push(row?.wait as number);
    }
    expect(waits[1]).toBeGreaterThan((waits[0] as number) * 1.5);
    expect(waits[2]).toBeLessThanOrEqual(DEFAULT_POLICIES.redeliver.maxWaitMs);
    expect((await copiesOf(test, key(1)))[0]).toMatchObject({ status: 10, attempts: 0 });
  });

  it('publishes again, for this group only, what the group has been overtaken on', async () => {
    await subscribe(test);
    await subscribe(test, 'CID_SLOW');
    await publish(test, key(1), key(2));
    await publishedAgo(test, key(1), 5 * MINUTE);
    await test.store.markDeliveries([received(key(2))]);
    await letTimePass(test);
    const claim = newClaim();
    const { items } = await test.store.claimDueRedeliveries(10, claim);
    expect(items).toMatchObject([{ messageKey: key(1), consumerGroup: GROUP, generation: 1, attempts: 1, content: { topic: TOPIC } }]);
    expect((await test.replica.claimDueRedeliveries(10, newClaim())).items).toEqual([]);
    expect(await test.store.recordRedeliveryResults(claim.token, resultsOf(items, 'published'))).toBe(1);
    expect((await copiesOf(test, key(1))).map((copy) => [copy.name, copy.attempts, copy.claim])).toEqual([
      [GROUP, 1, null],
      ['CID_SLOW', 0, null],
    ]);
    expect(await eventsOf(test, key(1))).toEqual(['REDELIVERED']);
    expect((await rowOf(test, key(1))).publishes).toBe(2);
  });

  it('counts from the last time it was published: not again until the group is overtaken again', async () => {
    await subscribe(test);
    await publish(test, key(1), key(2));
    await publishedAgo(test, key(1), 5 * MINUTE);
    await test.store.markDeliveries([received(key(2))]);
    await letTimePass(test);
    const claim = newClaim();
    const { items } = await test.store.claimDueRedeliveries(10, claim);
    await test.store.recordRedeliveryResults(claim.token, resultsOf(items, 'published'));
    await letTimePass(test);
    expect(await test.store.claimDueRedeliveries(10, newClaim())).toEqual({ items: [], examined: 1 });
  });

  it('publishes again to a group that is idle with a healthy link, unless one of its instances is busy', async () => {
    await subscribe(test);
    await publish(test, key(1));
    await publishedAgo(test, key(1), 2 * MINUTE);
    await heartbeat(test, true);
    await heartbeat(test, false, 'busy');
    await letTimePass(test);
    expect((await test.store.claimDueRedeliveries(10, newClaim())).items).toEqual([]);
    await heartbeat(test, true, 'busy');
    await letTimePass(test);
    expect((await test.store.claimDueRedeliveries(10, newClaim())).items).toHaveLength(1);
  });

  it('publishes again what is lost on a quiet topic while the group is never idle on another', async () => {
    const heartbeatOf = (quiet: boolean, busy: boolean, instanceId = 'i-1') =>
      test.store.registerConsumer({
        consumerGroup: GROUP,
        storeId: `inbox-${GROUP}`,
        instanceId,
        subscriptions: [
          { topic: TOPIC, tags: [], idle: quiet },
          { topic: 'BUSY_TOPIC', tags: [], idle: busy },
        ],
        host: 'h',
        idle: quiet && busy,
      });
    await heartbeatOf(false, false);
    await publish(test, key(1));
    await publishedAgo(test, key(1), 2 * MINUTE);
    await heartbeatOf(false, true);
    await letTimePass(test);
    expect((await test.store.claimDueRedeliveries(10, newClaim())).items).toEqual([]);
    await heartbeatOf(true, false);
    await heartbeatOf(false, false, 'i-2');
    await letTimePass(test);
    expect((await test.store.claimDueRedeliveries(10, newClaim())).items).toEqual([]);
    await heartbeatOf(true, false, 'i-2');
    await letTimePass(test);
    expect((await test.store.claimDueRedeliveries(10, newClaim())).items).toMatchObject([{ messageKey: key(1) }]);
  });

  it('goes by what an instance says of its whole link where it does not say it topic by topic', async () => {
    const heartbeatOf = (idle: boolean) =>
      test.store.registerConsumer({
        consumerGroup: GROUP,
        storeId: `inbox-${GROUP}`,
        instanceId: 'i-1',
        subscriptions: [
          { topic: TOPIC, tags: [], idle: true },
          { topic: 'BUSY_TOPIC', tags: [] },
        ],
        host: 'h',
        idle,
      });
    await heartbeatOf(false);
    await publish(test, key(1));
    await publishedAgo(test, key(1), 2 * MINUTE);
    await letTimePass(test);
    expect((await test.store.claimDueRedeliveries(10, newClaim())).items).toEqual([]);
    await heartbeatOf(true);
    await letTimePass(test);
    expect((await test.store.claimDueRedeliveries(10, newClaim())).items).toHaveLength(1);
  });

  it('waits while no instance of the group lives', async () => {
    await subscribe(test);
    await publish(test, key(1));
    await heartbeat(test, true);
    await publishedAgo(test, key(1), 2 * MINUTE);
    await test.sql('UPDATE instance SET heartbeat_at = heartbeat_at - ?', DEFAULT_POLICIES.instanceGoneMs + 1);
    await letTimePass(test);
    expect((await test.store.claimDueRedeliveries(10, newClaim())).items).toEqual([]);
  });

  it('leaves what still waits to be published the first time', async () => {
    await subscribe(test);
    await startSending(test, newClaim(), key(1));
    await heartbeat(test, true);
    await letTimePass(test);
    expect(await test.store.claimDueRedeliveries(10, newClaim())).toEqual({ items: [], examined: 1 });
  });

  it('a late result of a lost claim, or after the group has received, changes nothing', async () => {
    await subscribe(test);
    await publish(test, key(1));
    await heartbeat(test, true);
    await publishedAgo(test, key(1), 2 * MINUTE);
    await letTimePass(test);
    const lost = newClaim();
    const { items } = await test.store.claimDueRedeliveries(10, lost);
    await letTimePass(test);
    const taken = newClaim();
    expect((await test.replica.claimDueRedeliveries(10, taken)).items).toHaveLength(1);
    for (const outcome of ['published', 'retry', 'refused'] as const)
      expect(await test.store.recordRedeliveryResults(lost.token, resultsOf(items, outcome))).toBe(0);
    expect((await copiesOf(test, key(1)))[0]).toMatchObject({ claim: taken.token, attempts: 2 });
    await test.store.markDeliveries([consumed(key(1))]);
    expect(await test.store.recordRedeliveryResults(taken.token, resultsOf(items, 'published'))).toBe(0);
    expect((await rowOf(test, key(1))).state).toBe(30);
  });

  it('tries again soon when the broker is away, and is DEAD when it refuses', async () => {
    await subscribe(test);
    await publish(test, key(1));
    await heartbeat(test, true);
    await publishedAgo(test, key(1), 2 * MINUTE);
    await letTimePass(test);
    const claim = newClaim();
    const { items } = await test.store.claimDueRedeliveries(10, claim);
    expect(await test.store.recordRedeliveryResults(claim.token, resultsOf(items, 'retry'))).toBe(1);
    await letTimePass(test);
    const again = newClaim();
    const second = await test.store.claimDueRedeliveries(10, again);
    expect(second.items).toHaveLength(1);
    expect(await test.store.recordRedeliveryResults(again.token, resultsOf(second.items, 'refused'))).toBe(1);
    expect(await rowOf(test, key(1))).toMatchObject({ state: 50, reason: 'BROKER_REFUSED' });
    await letTimePass(test);
    expect(await test.store.claimDueRedeliveries(10, newClaim())).toEqual({ items: [], examined: 0 });
  });

  it('the backlog of one group does not stand in front of another', async () => {
    await subscribe(test);
    await publish(test, ...Array.from({ length: 30 }, (_, n) => key(n)));
    await subscribe(test, 'CID_Z_LATE', 'LATE_TOPIC', []);
    await test.store.registerConsumer({
      consumerGroup: 'CID_Z_LATE',
      storeId: 'inbox-CID_Z_LATE',
      instanceId: 'CID_Z_LATE-1',
      subscriptions: [{ topic: 'LATE_TOPIC', tags: [] }],
      host: 'h',
      idle: true,
    });
    const claim = newClaim();
    const content = { topic: 'LATE_TOPIC', tag: '', body: Buffer.from('x'), contentType: '', headers: {}, traceparent: '', tracestate: '' };
    const late = { producerGroup: PRODUCER, storeId: '', messageKey: key('late'), content, committed: true };
    const sent = await test.store.saveAndSendMessages([late], claim);
    await test.store.recordPublishResults(claim.token, [{ messageId: sent.publish[0]?.messageId as number, outcome: 'published', attempts: 0 }]);
    await publishedAgo(test, key('late'), 2 * MINUTE);
    await letTimePass(test);
    const { items } = await test.store.claimDueRedeliveries(8, newClaim());
    expect(items.map((item) => item.messageKey)).toEqual([key('late')]);
  });
});
