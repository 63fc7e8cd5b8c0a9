import type { Knex } from 'knex';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createStore, DEFAULT_POLICIES } from '../create-store.ts';
import { aroundStatements } from './around-statements.ts';
import { eventsOf, GROUP, itemOf, newClaim, PRODUCER, rowOf, STORE_ID, subscribe, TAG, TOPIC } from './fixtures.ts';
import { STORES, type TestStore } from './stores.ts';

const key = (n: number | string) => `${PRODUCER}:${n}`;
const consumer = (changed: Partial<Parameters<TestStore['store']['registerConsumer']>[0]> = {}) => ({
  consumerGroup: GROUP,
  storeId: 'inbox-1',
  instanceId: 'i-1',
  subscriptions: [{ topic: TOPIC, tags: [TAG] }],
  host: 'host-1',
  idle: false,
  ...changed,
});

/** Stores committed messages that nobody subscribes. */
async function park(test: TestStore, tag: string, ...keys: string[]): Promise<void> {
  const items = keys.map((messageKey) => ({ ...itemOf(messageKey, { tag }), committed: true }));
  await test.store.saveAndSendMessages(items, newClaim());
}

/** A database on which the binding of a group waits, after the look at it. */
function delaysBinding(knex: Knex, until: Promise<void>): Knex {
  return aroundStatements(knex, async (sql, work) => {
    if (sql.startsWith('UPDATE consumer_group')) await until;
    return work();
  });
}

describe.each(STORES)('registration, on %s', (_name, open) => {
  let test: TestStore;
  beforeAll(async () => {
    test = await open();
  });
  afterAll(() => test.close());
  beforeEach(() => test.reset());

  it('answers with the epoch of the database', async () => {
    expect(await test.store.registerConsumer(consumer())).toEqual({
      epoch: { epoch: 1, restoredTo: undefined },
      added: 1,
      faults: { differing: [], untaken: [] },
    });
    await test.sql("INSERT INTO epoch (epoch, restored_to, raised_at, actor) VALUES (2, 123, 456, 'op')");
    const producer = { producerGroup: PRODUCER, storeId: STORE_ID, instanceId: 'i', topics: [TOPIC], host: 'h' };
    expect(await test.store.registerProducer(producer)).toEqual({ epoch: { epoch: 2, restoredTo: 123 } });
  });

  it('only widens: an old instance during a rollout cannot narrow its group', async () => {
    const wide = [
      { topic: TOPIC, tags: [TAG, 'NEW'] },
      { topic: 'MORE', tags: [] },
    ];
    expect(await test.store.registerConsumer(consumer({ subscriptions: wide }))).toMatchObject({ added: 3 });
    expect(await test.store.registerConsumer(consumer({ instanceId: 'old' }))).toMatchObject({ added: 0 });
    const rows = await test.sql('SELECT t.name, s.tag FROM subscription s JOIN topic t ON t.id = s.topic_id ORDER BY t.name, s.tag');
    expect(rows).toEqual([
      { name: 'MORE', tag: '*' },
      { name: TOPIC, tag: TAG },
      { name: TOPIC, tag: 'NEW' },
    ]);
  });

  it('does not bring back what an operator removed', async () => {
    await test.store.registerConsumer(consumer());
    await test.sql('UPDATE subscription SET active = 0');
    expect(await test.store.registerConsumer(consumer())).toMatchObject({ added: 0 });
    expect(await test.store.saveMessages([itemOf(key(1))])).toMatchObject([{ refused: 'NO_SUBSCRIBER' }]);
  });

  it('binds a group to the first inbox database, and refuses another', async () => {
    await test.store.registerConsumer(consumer());
    const other = await test.replica.registerConsumer(consumer({ storeId: 'inbox-2', instanceId: 'i-2', subscriptions: [{ topic: 'X', tags: [] }] }));
    expect(other).toEqual({ refused: 'INBOX_STORE_CONFLICT', metadata: { consumer_group: GROUP } });
    expect(await test.sql('SELECT instance_id FROM instance')).toEqual([{ instance_id: 'i-1' }]);
    expect(await test.sql('SELECT tag FROM subscription')).toEqual([{ tag: TAG }]);
    expect(await test.store.registerConsumer(consumer())).not.toHaveProperty('refused');
  });

  it('binds to one of two inbox databases that both found the group unbound', async () => {
    const first = Promise.withResolvers<void>();
    const late = createStore(delaysBinding(test.knex, first.promise), { policies: DEFAULT_POLICIES });
    const second = late.registerConsumer(consumer({ storeId: 'inbox-2', instanceId: 'i-2' }));
    await expect.poll(() => test.sql('SELECT inbox_store FROM consumer_group')).toEqual([{ inbox_store: null }]);
    expect(await test.store.registerConsumer(consumer({ storeId: 'inbox-1' }))).not.toHaveProperty('refused');
    first.resolve();
    expect(await second).toMatchObject({ refused: 'INBOX_STORE_CONFLICT' });
    expect(await test.sql('SELECT inbox_store FROM consumer_group')).toEqual([{ inbox_store: 'inbox-1' }]);
  });

  it('by two replicas at once leaves one row of each kind', async () => {
    const wide = consumer({ subscriptions: Array.from({ length: 10 }, (_, n) => ({ topic: `T${n}`, tags: ['A', 'B'] })) });
    const results = await Promise.all([1, 2, 3, 4].map((n) => (n % 2 ? test.store : test.replica).registerConsumer(wide)));
    expect(results.reduce((sum, result) => sum + ('added' in result ? result.added : 0), 0)).toBe(20);
    expect(await test.sql('SELECT COUNT(*) AS n FROM subscription')).toEqual([{ n: 20 }]);
    expect(await test.sql('SELECT COUNT(*) AS n FROM instance')).toEqual([{ n: 1 }]);
  });

  it('keeps a heartbeat of each instance, also by a fetch of uncertain messages', async () => {
    const producer = { producerGroup: PRODUCER, storeId: STORE_ID, instanceId: 'p-1', topics: [TOPIC, TOPIC], host: 'h' };
    await test.store.registerProducer(producer);
    await test.store.registerProducer(producer);
    await test.sql('UPDATE instance SET heartbeat_at = 1');
    await test.store.touchProducerInstance({ producerGroup: PRODUCER, storeId: STORE_ID, instanceId: 'p-1' });
    const [row] = await test.sql<{ heartbeat_at: number }>('SELECT heartbeat_at FROM instance');
    expect(row?.heartbeat_at).toBeGreaterThan(1);
    expect(await test.sql('SELECT COUNT(*) AS n FROM producer_topic')).toEqual([{ n: 1 }]);
  });

  it('forgets instances that were silent for days', async () => {
    await test.store.registerConsumer(consumer());
    await test.sql('UPDATE instance SET heartbeat_at = 1');
    await test.store.registerConsumer(consumer({ instanceId: 'i-2' }));
    expect(await test.sql('SELECT instance_id FROM instance')).toEqual([{ instance_id: 'i-2' }]);
  });

  it('resumes, paced, what was dead for want of a subscriber on its topics and tags, and nothing else', async () => {
    await park(test, 'OTHER', key('other-1'), key('other-2'));
    await park(test, TAG, key(1), key(2), key(3));
    expect(await test.store.resumeUnsubscribed(10)).toBe(0);
    await subscribe(test);
    expect(await test.store.resumeUnsubscribed(2)).toBe(2);
    expect(await test.store.resumeUnsubscribed(2)).toBe(1);
    expect(await test.store.resumeUnsubscribed(2)).toBe(0);
    expect(await rowOf(test, key(1))).toMatchObject({ state: 20, open_groups: 1, attention: null, reason: null });
    expect(await eventsOf(test, key(1))).toEqual(['NO_SUBSCRIBER', 'RESUMED']);
    expect((await rowOf(test, key('other-1'))).state).toBe(50);
    const claimed = await test.store.claimDueToPublish(10, newClaim());
    expect(claimed.map((item) => item.messageKey).sort()).toEqual([key(1), key(2), key(3)]);
  });

  it('to all tags of a topic resumes every tag of it', async () => {
    await park(test, 'A', key(1));
    await park(test, '', key(2));
    await subscribe(test, GROUP, TOPIC, []);
    expect(await test.store.resumeUnsubscribed(10)).toBe(2);
  });

  it('resumes each message once when two replicas do it at the same moment', async () => {
    const keys = Array.from({ length: 20 }, (_, n) => key(n));
    await park(test, TAG, ...keys);
    await subscribe(test);
    const counts = await Promise.all([test.store, test.replica, test.store, test.replica].map((store) => store.resumeUnsubscribed(20)));
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(20);
    for (const messageKey of keys) expect(await rowOf(test, messageKey)).toMatchObject({ state: 20, open_groups: 1 });
  });

  it('a second producer group on one outbox database is refused, unless the rows of both name their group', async () => {
    const register = (producerGroup: string, namesGroup?: boolean, storeId = 'shared') =>
      test.store.registerProducer({
        producerGroup,
        storeId,
        instanceId: `${producerGroup}-1`,
        topics: [],
        host: '',
        ...(namesGroup === undefined ? {} : { namesGroup }),
      });
    expect(await register('PID_A')).toMatchObject({ epoch: { epoch: 1 } });
    const refused = { refused: 'OUTBOX_SHARED', metadata: { producer_group: 'PID_B', other_group: 'PID_A' } };
    expect(await register('PID_B')).toEqual(refused);
    expect(await register('PID_B', true)).toEqual(refused);
    expect(await register('PID_A')).toMatchObject({ epoch: { epoch: 1 } });
    // Another database, or none that is named, is nobody else's.
    expect(await register('PID_B', false, 'other')).toMatchObject({ epoch: { epoch: 1 } });
    expect(await register('PID_C', false, '')).toMatchObject({ epoch: { epoch: 1 } });
    expect(await register('PID_D', false, '')).toMatchObject({ epoch: { epoch: 1 } });
    await register('PID_A', true);
    expect(await register('PID_B', true)).toMatchObject({ epoch: { epoch: 1 } });
    expect(await register('PID_A', true)).toMatchObject({ epoch: { epoch: 1 } });
    // The one that was there first stays, also when the later one goes back to an older library.
    await test.sql("UPDATE instance SET started_at = started_at - 1000 WHERE instance_id = 'PID_A-1'");
    await test.sql("UPDATE instance SET names_group = 0 WHERE instance_id = 'PID_B-1'");
    expect(await register('PID_A', true)).toMatchObject({ epoch: { epoch: 1 } });
    expect(await register('PID_B')).toEqual(refused);
  });
});
