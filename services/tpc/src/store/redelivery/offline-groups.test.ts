import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { fakePublishing, NEVER_POLLS_MS, silentLog } from '../../../test/worker-suite.ts';
import { createRedeliverWorker } from '../../workers/redeliver.ts';
import { copiesOf, GROUP, letTimePass, newClaim, PRODUCER, publish, received, subscribe, TOPIC } from '../conformance/fixtures.ts';
import { STORES, type TestStore } from '../conformance/stores.ts';
import { DEFAULT_POLICIES } from '../create-store.ts';

const HOUR_MS = 3_600_000;
const LIVE_GROUP = 'CID_LIVE';
/** In the order of their numbers, which is that of their rows. */
const key = (n: number | string) => `${PRODUCER}:${String(n).padStart(4, '0')}`;
const keys = (count: number, from = 0) => Array.from({ length: count }, (_, n) => key(from + n));

describe.each(STORES)('copies of a group that is not there, on %s', (_name, open) => {
  let test: TestStore;
  beforeAll(async () => {
    test = await open();
  });
  afterAll(() => test.close());
  beforeEach(async () => {
    await test.reset();
    await subscribe(test);
  });

  const claim = (limit: number, store = test.store) => store.claimDueRedeliveries(limit, newClaim());
  const keysOf = ({ items }: { items: readonly { messageKey: string }[] }) => items.map(({ messageKey }) => messageKey);

  async function heartbeat(group = GROUP, idle = true): Promise<void> {
    const subscriptions = [{ topic: TOPIC, tags: [] }];
    await test.store.registerConsumer({ consumerGroup: group, storeId: `inbox-${group}`, instanceId: `${group}-1`, subscriptions, host: 'h', idle });
  }

  /** The group's instances have been silent for an hour, and everything published so far is two hours old; each copy is due in the order of its message. */
  async function goAway(group = GROUP): Promise<void> {
    await test.sql(
      'UPDATE instance SET heartbeat_at = heartbeat_at - ? WHERE group_id = (SELECT id FROM consumer_group WHERE name = ?)',
      HOUR_MS,
      group,
    );
    await test.sql('UPDATE message SET published_at = published_at - ?, confirmed_at = confirmed_at - ?', 2 * HOUR_MS, 2 * HOUR_MS);
    await test.sql('UPDATE confirm SET due_at = 1 + message_id WHERE due_at IS NOT NULL');
  }

  const state = () => test.sql('SELECT * FROM confirm ORDER BY message_id, group_id');

  it('are not written, and cost a few looks and not one for each copy, however often one looks', async () => {
    await publish(test, key('received'), ...keys(60));
    await test.store.markDeliveries([received(key('received'))]);
    await goAway();
    // It had come that far when it went away.
    await test.sql('UPDATE group_progress SET latest_published_at = latest_published_at - ?', 3 * HOUR_MS);
    await test.sql(`UPDATE confirm SET due_at = ${test.ctx.sql.now} - ? WHERE due_at IS NOT NULL`, HOUR_MS);
    const before = await state();
    let looks = 0;
    const count = ({ sql }: { sql: string }) => {
      looks += sql.match(/FROM confirm|UPDATE/g)?.length ?? 0;
    };
    const worker = createRedeliverWorker({
      store: test.store,
      publishing: fakePublishing(),
      log: silentLog,
      config: { pollMs: NEVER_POLLS_MS, claimCount: 8 },
    });
    test.knex.on('query', count);
    for (let pass = 0; pass < 10; pass++) expect(await worker.runOnce()).toEqual({ examined: 0, redelivered: 0, more: false });
    test.knex.removeListener('query', count);
    expect(await state()).toEqual(before);
    // One at what is to be published in any case, one at what waits.
    expect(looks).toBeLessThanOrEqual(10 * 2);
  });

  it('are handed out once an instance is idle again: the oldest first, so many at a time, each once, also to two replicas at once', async () => {
    await publish(test, ...keys(20));
    await goAway();
    await claim(8);
    await heartbeat();
    const [first, second] = await Promise.all([claim(6), claim(6, test.replica)]);
    expect([...keysOf(first), ...keysOf(second)].sort()).toEqual(keys(12).sort());
    expect(keysOf(await claim(6))).toEqual(keys(6, 12));
    expect(keysOf(await claim(6, test.replica))).toEqual(keys(2, 18));
    expect(await claim(6)).toEqual({ items: [], examined: 0 });
  });

  it('are handed out once it has received something younger, though no instance registers', async () => {
    await publish(test, ...keys(3));
    await goAway();
    await publish(test, key('new'));
    expect((await claim(10)).items).toEqual([]);
    await test.store.markDeliveries([received(key('new'))]);
    expect(keysOf(await claim(10))).toEqual(keys(3));
  });

  it('wait for the group where an instance is there again and busy with what waits at the broker', async () => {
    await publish(test, ...keys(3));
    await goAway();
    await heartbeat(GROUP, false);
    expect(await claim(10)).toEqual({ items: [], examined: 0 });
    await heartbeat(GROUP, true);
    expect(keysOf(await claim(10))).toEqual(keys(3));
  });

  it('take no place from a live group, however many they are', async () => {
    await subscribe(test, LIVE_GROUP);
    await publish(test, ...keys(30));
    await test.store.markDeliveries(keys(10).map((messageKey) => received(messageKey, LIVE_GROUP)));
    await goAway();
    await heartbeat(LIVE_GROUP);
    const { items } = await claim(16);
    expect(items.map((item) => [item.consumerGroup, item.messageKey])).toEqual(keys(16, 10).map((messageKey) => [LIVE_GROUP, messageKey]));
  });

  it('are published for an operator all the same, before those that wait, and by another where the claimer dies', async () => {
    await publish(test, ...keys(10));
    await goAway();
    await test.store.resendMessage({ messageKey: key(7), consumerGroups: [], requestId: '', actor: 'op', comment: '' });
    expect(keysOf(await claim(10))).toEqual([key(7)]);
    expect((await claim(10, test.replica)).items).toEqual([]);
    await letTimePass(test);
    expect(keysOf(await claim(10, test.replica))).toEqual([key(7)]);
  });

  it('stay decided to be published where the claimer dies, or the broker is away, and the group has left again', async () => {
    await publish(test, ...keys(2));
    await goAway();
    await heartbeat();
    const lost = newClaim();
    const { items } = await test.store.claimDueRedeliveries(10, lost);
    expect(items).toHaveLength(2);
    const [retry] = items;
    const result = { messageId: retry?.messageId as number, consumerGroup: GROUP, attempts: 1, outcome: 'retry' as const };
    await test.store.recordRedeliveryResults(lost.token, [result]);
    await goAway();
    const again = newClaim();
    expect((await test.replica.claimDueRedeliveries(10, again)).items).toHaveLength(2);
    const results = items.map(({ messageId }) => ({ messageId, consumerGroup: GROUP, attempts: 2, outcome: 'published' as const }));
    expect(await test.store.recordRedeliveryResults(again.token, results)).toBe(2);
    await letTimePass(test);
    expect((await claim(10)).items).toEqual([]);
    expect((await copiesOf(test, key(0)))[0]).toMatchObject({ urgent: 0, attempts: 2 });
  });

  it('are counted as unreceived, and as due only while something could be done for them, from when the group was there again', async () => {
    await publish(test, ...keys(3));
    await goAway();
    const group = async () => (await test.store.readBacklog()).consumerGroups.find(({ consumerGroup }) => consumerGroup === GROUP);
    expect(await group()).toMatchObject({ unreceived: 3, oldestDueMs: 0, instances: 0 });
    await heartbeat();
    await test.sql('UPDATE instance SET started_at = heartbeat_at - 5000');
    const back = await group();
    expect(back).toMatchObject({ unreceived: 3, instances: 1 });
    expect(back?.oldestDueMs).toBeGreaterThanOrEqual(5_000);
    expect(back?.oldestDueMs).toBeLessThan(HOUR_MS);
    await claim(10);
    expect(await group()).toMatchObject({ unreceived: 3, oldestDueMs: 0 });
  });

  it('are not helped by what lies in the future since the clock was set back: a progress, or a heartbeat of an instance that has died', async () => {
    await publish(test, ...keys(3), key('new'));
    await test.store.markDeliveries([received(key('new'))]);
    await goAway();
    await test.sql('UPDATE group_progress SET latest_published_at = latest_published_at + ?', HOUR_MS);
    await test.sql('UPDATE instance SET heartbeat_at = heartbeat_at + ?, idle = 1', 2 * HOUR_MS + 2 * DEFAULT_POLICIES.instanceGoneMs);
    expect(await claim(10)).toEqual({ items: [], examined: 0 });
    await test.sql('UPDATE instance SET idle = 0, instance_id = ?', 'dead');
    await heartbeat();
    expect(keysOf(await claim(10))).toEqual(keys(3));
  });
});
