import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type DueBounds, dueBounds } from '../../domain/longest-waits.ts';
import {
  consumed,
  copiesOf,
  dueInMs,
  GROUP,
  letTimePass,
  newClaim,
  PRODUCER,
  prepare,
  publish,
  received,
  rowOf,
  STORE_ID,
  startSending,
  subscribe,
  TOPIC,
} from '../conformance/fixtures.ts';
import { STORES, type TestStore } from '../conformance/stores.ts';
import { DEFAULT_POLICIES } from '../create-store.ts';

const DAYS_MS = 10 * 86_400_000;
const LEASE_MS = 40_000;
/** How much of a wait may be gone by the time a test looks, milliseconds. */
const GONE_MS = 30_000;
const BOUNDS = dueBounds(DEFAULT_POLICIES, LEASE_MS);
const key = (n: number | string) => `${PRODUCER}:${n}`;
const owner = { producerGroup: PRODUCER, storeId: STORE_ID };

describe.each(STORES)("after the database's clock was set back, on %s", (_name, open) => {
  let test: TestStore;
  beforeAll(async () => {
    test = await open();
  });
  afterAll(() => test.close());
  beforeEach(async () => {
    await test.reset();
    await subscribe(test);
  });

  const pullIn = (limit = 100, store = test.store) => store.pullInFarDue(limit, LEASE_MS);

  /** All that is stored is from before the clock was set back. */
  async function setBack(): Promise<void> {
    for (const column of ['due_at', 'published_at', 'confirmed_at', 'created_at'])
      await test.sql(`UPDATE message SET ${column} = ${column} + ? WHERE ${column} IS NOT NULL`, DAYS_MS);
    for (const column of ['due_at', 'published_at'])
      await test.sql(`UPDATE confirm SET ${column} = ${column} + ? WHERE ${column} IS NOT NULL`, DAYS_MS);
    await test.sql('UPDATE group_progress SET latest_published_at = latest_published_at + ?', DAYS_MS);
  }

  /** As if so long had gone by since then, on the clock as it is now. */
  async function letGoBy(ms: number): Promise<void> {
    await test.sql('UPDATE message SET due_at = due_at - ? WHERE due_at IS NOT NULL', ms);
    await test.sql('UPDATE confirm SET due_at = due_at - ?, published_at = published_at - ? WHERE due_at IS NOT NULL', ms, ms);
  }

  async function heartbeat(): Promise<void> {
    const subscriptions = [{ topic: TOPIC, tags: [] }];
    await test.store.registerConsumer({
      consumerGroup: GROUP,
      storeId: `inbox-${GROUP}`,
      instanceId: `${GROUP}-1`,
      subscriptions,
      host: 'h',
      idle: true,
    });
  }

  const copyDueInMs = async () => {
    const rows = await test.sql<{ wait: number }>(`SELECT due_at - ${test.ctx.sql.now} AS wait FROM confirm WHERE due_at IS NOT NULL`);
    return rows.map(({ wait }) => Number(wait));
  };
  /** @param ms at least nearly, and at most, so far ahead */
  const expectWait = (waitMs: number | null | undefined, ms: number) => {
    expect(waitMs).toBeGreaterThan(ms - GONE_MS);
    expect(waitMs).toBeLessThanOrEqual(ms);
  };

  it('a prepared message is asked about after its first wait', async () => {
    await prepare(test, key(1));
    await setBack();
    expect(await pullIn()).toEqual({ pulledIn: 1, more: false });
    expectWait(await test.store.nextUncertainInMs(owner), DEFAULT_POLICIES.check.firstWaitMs);
    await letGoBy(DEFAULT_POLICIES.check.firstWaitMs);
    expect(await test.store.claimUncertain(owner, 10)).toMatchObject([{ messageKey: key(1) }]);
  });

  it('a message that its claimer lost is published once a lease is over, and a live claimer keeps its lease and its result', async () => {
    const live = newClaim();
    const [item] = await startSending(test, live, key('live'));
    await startSending(test, newClaim(), key('lost'));
    await setBack();
    expect(await pullIn()).toMatchObject({ pulledIn: 4 });
    expectWait(await dueInMs(test, key('live')), LEASE_MS);
    expect(await test.replica.claimDueToPublish(10, newClaim())).toEqual([]);
    expect(await test.store.recordPublishResults(live.token, [{ messageId: item?.messageId as number, outcome: 'published', attempts: 0 }])).toBe(1);
    await letGoBy(LEASE_MS);
    expect(await test.replica.claimDueToPublish(10, newClaim())).toMatchObject([{ messageKey: key('lost') }]);
  });

  it('a published message is not overdue at once, and is so after the time that it would be given now', async () => {
    await publish(test, key(1));
    await setBack();
    await pullIn();
    expectWait(await dueInMs(test, key(1)), DEFAULT_POLICIES.overdueAfterMs);
    expect(await test.store.markOverdue(10)).toEqual({ examined: 0, overdue: 0 });
    await letGoBy(DEFAULT_POLICIES.overdueAfterMs);
    expect(await test.store.markOverdue(10)).toEqual({ examined: 1, overdue: 1 });
  });

  it('a lost copy is published again, though its first publish lies in the future', async () => {
    await publish(test, key(1));
    await setBack();
    await pullIn();
    expectWait((await copyDueInMs())[0], DEFAULT_POLICIES.redeliver.firstWaitMs);
    await heartbeat();
    for (let looks = 0; looks < 2; looks++) {
      await letGoBy(2 * DEFAULT_POLICIES.redeliver.firstWaitMs);
      expect((await copiesOf(test, key(1)))[0]).toMatchObject({ attempts: 0 });
      const { items, examined } = await test.store.claimDueRedeliveries(10, newClaim());
      expect([items.length, examined]).toEqual([looks, 1]);
    }
  });

  it('what is received since then counts as progress, not what was received before', async () => {
    await publish(test, key('before'));
    await test.store.markDeliveries([received(key('before'))]);
    await setBack();
    await publish(test, key('since'));
    await test.store.markDeliveries([received(key('since')), consumed(key('before'))]);
    const [progress] = await test.sql<{ ahead: number }>(`SELECT latest_published_at - ${test.ctx.sql.now} AS ahead FROM group_progress`);
    expect(Number(progress?.ahead)).toBeLessThanOrEqual(0);
  });

  it('a copy that is being published again keeps its claim for a lease, and is published by another after it', async () => {
    await publish(test, key(1));
    await test.sql('UPDATE confirm SET urgent = 1');
    await letTimePass(test);
    await test.store.claimDueRedeliveries(10, newClaim());
    const [{ claim } = { claim: null }] = await copiesOf(test, key(1));
    await setBack();
    await pullIn();
    expect(claim).not.toBeNull();
    expect((await copiesOf(test, key(1)))[0]).toMatchObject({ claim });
    expectWait((await copyDueInMs())[0], LEASE_MS);
    expect((await test.replica.claimDueRedeliveries(10, newClaim())).items).toEqual([]);
    await letGoBy(LEASE_MS);
    expect((await test.replica.claimDueRedeliveries(10, newClaim())).items).toHaveLength(1);
  });

  it.each<[keyof DueBounds, 'message' | 'confirm', () => Promise<unknown>]>([
    ['check', 'message', () => prepare(test, key(1))],
    ['publish', 'message', () => startSending(test, newClaim(), key(1))],
    ['follow', 'message', () => publish(test, key(1))],
    ['waiting', 'confirm', () => publish(test, key(1))],
    [
      'waitingUntaken',
      'confirm',
      async () => {
        await publish(test, key(1));
        await test.sql('UPDATE consumer_group SET untaken = ?', JSON.stringify([TOPIC]));
      },
    ],
    [
      'urgent',
      'confirm',
      async () => {
        await publish(test, key(1));
        await test.sql('UPDATE confirm SET urgent = 1');
      },
    ],
  ])('a due time just within the bound of %s is left alone, one beyond it is not', async (name, table, make) => {
    await make();
    const dueIn = (ms: number) => test.sql(`UPDATE ${table} SET due_at = ${test.ctx.sql.now} + ? WHERE due_at IS NOT NULL`, ms);
    await dueIn(BOUNDS[name].longestMs - 1);
    const [before] = await test.sql<{ due_at: number }>(`SELECT due_at FROM ${table}`);
    expect(await pullIn()).toEqual({ pulledIn: 0, more: false });
    expect((await test.sql<{ due_at: number }>(`SELECT due_at FROM ${table}`))[0]).toEqual(before);
    await dueIn(BOUNDS[name].longestMs + GONE_MS);
    expect(await pullIn()).toEqual({ pulledIn: 1, more: false });
    expect(await pullIn()).toEqual({ pulledIn: 0, more: false });
  });

  it('what is settled has no due time and gets none', async () => {
    await publish(test, key(1));
    await test.store.markDeliveries([consumed(key(1))]);
    await setBack();
    expect(await pullIn()).toEqual({ pulledIn: 0, more: false });
    expect(await rowOf(test, key(1))).toMatchObject({ due_at: null, lane: null });
  });

  it('two replicas at once go through a long backlog in parts', async () => {
    await prepare(test, ...Array.from({ length: 25 }, (_, n) => key(n)));
    await setBack();
    expect((await pullIn(10)).more).toBe(true);
    await Promise.all([pullIn(10), pullIn(10, test.replica)]);
    await pullIn(10);
    expect(await pullIn(10)).toEqual({ pulledIn: 0, more: false });
    await letGoBy(DEFAULT_POLICIES.check.firstWaitMs);
    expect(await test.store.claimUncertain(owner, 100)).toHaveLength(25);
  });
});
