import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { consumed, copiesOf, eventsOf, failed, GROUP, PRODUCER, publish, received, rowOf, subscribe, TAG, TOPIC } from './fixtures.ts';
import { STORES, type TestStore } from './stores.ts';

const key = (n: number | string) => `${PRODUCER}:${n}`;
const LEFT = 'CID_LEFT_BEHIND';
const NO_FAULTS = { differing: [], untaken: [] };
const remove = (changed: object = {}) => ({
  consumerGroup: LEFT,
  requestId: '',
  actor: 'operator',
  comment: 'tried once',
  validateOnly: false,
  force: false,
  ...changed,
});

describe.each(STORES)('consumer groups, on %s', (_name, open) => {
  let test: TestStore;
  beforeAll(async () => {
    test = await open();
  });
  afterAll(() => test.close());
  beforeEach(async () => {
    await test.reset();
    await subscribe(test);
    await subscribe(test, LEFT);
  });

  const stopInstances = () => test.sql('UPDATE instance SET heartbeat_at = 1');
  const names = async () => (await test.store.listConsumerGroups({ after: undefined, limit: 10 })).map(({ name }) => name);

  it('are listed by name and in pages, with what they subscribe and have open', async () => {
    await subscribe(test, 'CID_ALL', TOPIC, []);
    await publish(test, key(1), key(2));
    await test.store.markDeliveries([failed(key(1), LEFT)]);
    const all = await test.store.listConsumerGroups({ after: undefined, limit: 10 });
    expect(all).toEqual([
      { name: 'CID_ALL', subscriptions: [TOPIC], storeId: 'inbox-CID_ALL', instances: 1, unreceived: 2, dead: 0, ...NO_FAULTS },
      { name: LEFT, subscriptions: [`${TOPIC}:${TAG}`], storeId: `inbox-${LEFT}`, instances: 1, unreceived: 1, dead: 1, ...NO_FAULTS },
      { name: GROUP, subscriptions: [`${TOPIC}:${TAG}`], storeId: `inbox-${GROUP}`, instances: 1, unreceived: 2, dead: 0, ...NO_FAULTS },
    ]);
    expect(await test.store.listConsumerGroups({ after: 'CID_ALL', limit: 1 })).toEqual([all[1]]);
  });

  it('removed: open and dead copies are skipped, messages come to their end, and new ones are not sent to it', async () => {
    await publish(test, key(1), key(2), key(3), key(4));
    await test.store.markDeliveries([consumed(key(1)), failed(key(2), LEFT), consumed(key(2)), received(key(3), LEFT), consumed(key(4), LEFT)]);
    await stopInstances();
    const would = await test.store.removeConsumerGroup(remove({ validateOnly: true }));
    expect(would).toMatchObject({ skipped: 3 });
    expect((await rowOf(test, key(1))).state).toBe(20);
    const done = await test.store.removeConsumerGroup(remove());
    expect(done).toMatchObject({ skipped: 3 });
    expect('sample' in done && [...done.sample].sort()).toEqual([key(1), key(2), key(3)]);
    for (const n of [1, 2]) expect(await rowOf(test, key(n))).toMatchObject({ state: 30, attention: null });
    for (const n of [3, 4]) expect((await rowOf(test, key(n))).state).toBe(20);
    expect((await copiesOf(test, key(3))).map(({ name, status }) => [name, status])).toEqual([
      [LEFT, 40],
      [GROUP, 10],
    ]);
    expect((await copiesOf(test, key(4))).find(({ name }) => name === LEFT)?.status).toBe(30);
    expect(await eventsOf(test, key(1))).toEqual(['SKIPPED']);
    await publish(test, key(5));
    expect((await copiesOf(test, key(5))).map(({ name }) => name)).toEqual([GROUP]);
    expect(await names()).toEqual([GROUP]);
    expect(await test.store.removeConsumerGroup(remove())).toMatchObject({ refused: 'GROUP_NOT_FOUND' });
    // Back again, also on another inbox database.
    await test.store.registerConsumer({
      consumerGroup: LEFT,
      storeId: 'another',
      instanceId: 'i',
      subscriptions: [{ topic: TOPIC, tags: [TAG] }],
      host: '',
      idle: false,
    });
    await publish(test, key(6));
    expect((await copiesOf(test, key(6))).map(({ name }) => name)).toEqual([LEFT, GROUP]);
  });

  it('are not removed while an instance lives, unless one insists', async () => {
    expect(await test.store.removeConsumerGroup(remove())).toEqual({ refused: 'GROUP_IS_LIVE', metadata: { consumer_group: LEFT, instances: '1' } });
    expect(await test.store.removeConsumerGroup(remove({ consumerGroup: 'CID_NOBODY' }))).toMatchObject({ refused: 'GROUP_NOT_FOUND' });
    expect(await test.store.removeConsumerGroup(remove({ force: true }))).toEqual({ skipped: 0, sample: [] });
    expect(await names()).toEqual([GROUP]);
  });

  it('with many copies are removed without looking for them again after each part', async () => {
    for (let part = 0; part < 3; part++) await publish(test, ...Array.from({ length: 150 }, (_, n) => key(part * 150 + n)));
    await stopInstances();
    const looks: string[] = [];
    const note = ({ sql }: { sql: string }) => void (/SELECT m.id FROM message m JOIN confirm/.test(sql) && looks.push(sql));
    test.knex.on('query', note);
    expect(await test.store.removeConsumerGroup(remove())).toMatchObject({ skipped: 450 });
    test.knex.removeListener('query', note);
    expect(looks).toHaveLength(2);
  });

  it('are removed once for one request id, which is answered alike', async () => {
    await publish(test, key(1));
    await stopInstances();
    const requestId = '0198c0de-0000-7000-8000-00000000000b';
    const first = await test.store.removeConsumerGroup(remove({ requestId }));
    expect(first).toEqual({ skipped: 1, sample: [key(1)] });
    expect(await test.replica.removeConsumerGroup(remove({ requestId }))).toEqual(first);
    expect(await test.store.removeConsumerGroup(remove({ requestId, consumerGroup: GROUP }))).toMatchObject({ refused: 'REQUEST_ID_REUSED' });
  });
});
