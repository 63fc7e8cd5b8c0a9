import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { WHOLE_MESSAGE_TYPE } from '../../domain/invalid-content.ts';
import { DeadReason, MessageState } from '../../domain/states.ts';
import { createStore, DEFAULT_POLICIES } from '../create-store.ts';
import type { Store } from '../store.ts';
import { itemOf, newClaim, PRODUCER, rowOf, STORE_ID, subscribe, TOPIC } from './fixtures.ts';
import { STORES, type TestStore } from './stores.ts';

const policies = { ...DEFAULT_POLICIES, quotas: { topics: 3, tags: 3, stores: 2 } };
const reached = (what: string) => ({ refused: 'QUOTA_REACHED', metadata: { group: PRODUCER, what } });

describe.each(STORES)('quotas of names, on %s', (_name, open) => {
  let test: TestStore;
  let one: Store;
  let other: Store;
  beforeAll(async () => {
    test = await open();
  });
  afterAll(() => test.close());
  beforeEach(async () => {
    await test.reset();
    [one, other] = [createStore(test.knex, { policies }), createStore(test.knex, { policies })];
    await subscribe(test);
  });

  const save = async (store: Store, key: string, changed: Parameters<typeof itemOf>[1]) => (await store.saveMessages([itemOf(key, changed)]))[0];
  const register = (store: Store, topics: readonly string[], producerGroup = PRODUCER) =>
    store.registerProducer({ producerGroup, storeId: STORE_ID, instanceId: 'i', topics, host: 'h', namesGroup: true });
  const sendCommitted = async (store: Store, key: string, changed: Parameters<typeof itemOf>[1]) =>
    (await store.saveAndSendMessages([{ ...itemOf(key, changed), committed: true }], newClaim())).results[0];

  it('bound the outbox databases of a group, over all replicas; other groups and known databases are as before', async () => {
    expect(await save(one, 'a', { storeId: 's1' })).toEqual({ state: MessageState.WAITING_CONFIRM });
    expect(await save(other, 'b', { storeId: 's2' })).toEqual({ state: MessageState.WAITING_CONFIRM });
    for (const store of [one, other, createStore(test.knex, { policies })]) {
      expect(await save(store, 'c', { storeId: 's3' })).toMatchObject(reached('outbox databases'));
    }
    expect(await save(other, 'd', { storeId: 's1' })).toEqual({ state: MessageState.WAITING_CONFIRM });
    expect(await save(one, 'PID_B:e', { storeId: 's3', producerGroup: 'PID_B' })).toEqual({ state: MessageState.WAITING_CONFIRM });
    expect(await save(one, 'PID_B:f', { storeId: 's1', producerGroup: 'PID_B' })).toEqual({ state: MessageState.WAITING_CONFIRM });
    expect(await save(one, 'PID_B:g', { storeId: 's2', producerGroup: 'PID_B' })).toMatchObject({ refused: 'QUOTA_REACHED' });
    expect(await test.sql('SELECT name FROM outbox_store ORDER BY name')).toEqual([{ name: 's1' }, { name: 's2' }, { name: 's3' }]);
  });

  it('refuse one item of a batch, and take the others', async () => {
    const results = await one.saveMessages([1, 2, 3].map((n) => itemOf(`k${n}`, { storeId: `s${n}` })));
    expect(results.map((result) => ('refused' in result ? result.refused : 'ok'))).toEqual(['ok', 'ok', 'QUOTA_REACHED']);
  });

  it('bound the topics that a group makes by registering; those of others cost nothing', async () => {
    await register(one, ['A', 'B', TOPIC]);
    await register(other, ['A', 'B', 'C']);
    await expect(register(one, ['D'])).rejects.toMatchObject({ refusal: reached('topics') });
    await register(one, ['A', 'B', 'C']);
    await register(one, ['D'], 'PID_B');
    await register(one, ['D']);
  });

  it('bound what a consumer group makes by subscribing', async () => {
    const subscribeTo = (tags: readonly string[]) =>
      one.registerConsumer({
        consumerGroup: 'CID_X',
        storeId: 'i',
        instanceId: 'i',
        host: 'h',
        idle: false,
        subscriptions: [{ topic: TOPIC, tags }],
      });
    await subscribeTo(['A', 'B', 'C']);
    await expect(subscribeTo(['D'])).rejects.toMatchObject({ refusal: { refused: 'QUOTA_REACHED', metadata: { group: 'CID_X', what: 'tags' } } });
  });

  it('never refuse what has committed: it is kept DEAD with everything that came, or sent without its database', async () => {
    await register(one, ['A', 'B', 'C']);
    const dead = { state: MessageState.DEAD, storedKey: 'late', reason: DeadReason.CONTENT_INVALID };
    for (const store of [one, other]) expect(await sendCommitted(store, 'late', { topic: 'NEW', tag: 'T' })).toEqual(dead);
    const [row] = await test.sql<{ body: Buffer; content_type: string; reason_detail: string }>(
      'SELECT * FROM message WHERE message_key = ?',
      'late',
    );
    expect(row?.content_type).toBe(WHOLE_MESSAGE_TYPE);
    expect(JSON.parse(String(row?.body))).toMatchObject({ messageKey: 'late', topic: 'NEW', tag: 'T', text: 'body' });
    expect(row?.reason_detail).toContain('TPC_MAX_GROUP_TOPICS');

    await save(one, 'a', { storeId: 's2' });
    expect(await sendCommitted(one, 'far', { storeId: 's3' })).toMatchObject({ state: MessageState.SENDING, storedKey: 'far' });
    expect((await rowOf(test, 'far')).state).toBe(MessageState.SENDING);
    expect(await test.sql('SELECT name FROM topic ORDER BY name')).toEqual(['A', 'B', 'C', 'INVALID', TOPIC].map((name) => ({ name })));
  });
});
