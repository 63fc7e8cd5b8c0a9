import { inTransaction, run } from '@tpc/core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { STORES, type TestStore } from '../conformance/stores.ts';
import { Names } from './names.ts';

describe.each(STORES)('names, on %s', (_name, open) => {
  let test: TestStore;
  let names: Names;
  beforeAll(async () => {
    test = await open();
  });
  afterAll(() => test.close());
  beforeEach(async () => {
    await test.reset();
    names = new Names(test.ctx);
  });

  it('get one id each, the same for all replicas, however many ask at the same moment', async () => {
    const others = [names, new Names(test.ctx), new Names(test.ctx)];
    const ids = await Promise.all(others.flatMap((one) => [one.topic('T'), one.topic('T'), one.topic('t')]));
    expect(new Set(ids).size).toBe(2);
    expect(await test.sql('SELECT name FROM topic ORDER BY name')).toEqual([{ name: 'T' }, { name: 't' }]);
  });

  it('stay right when the transaction that needed them is rolled back', async () => {
    const topicId = await names.topic('T');
    const work = inTransaction(test.knex, async (tx) => {
      await run(tx, 'INSERT INTO tag (topic_id, name, created_at) VALUES (?, ?, 1)', [topicId, 'rolled back']);
      throw new Error('business says no');
    });
    await expect(work).rejects.toThrow('business says no');
    const tagId = await names.tag(topicId, 'rolled back');
    expect(await test.sql('SELECT id FROM tag')).toEqual([{ id: tagId }]);
    expect(await test.sql('SELECT id FROM topic')).toEqual([{ id: topicId }]);
  });

  it('that are not there are looked for again each time', async () => {
    expect(await names.findConsumerGroups(['C'])).toEqual(new Map());
    const id = await new Names(test.ctx).consumerGroup('C');
    expect(await names.findConsumerGroups(['C', 'D'])).toEqual(new Map([['C', id]]));
  });

  it('keep the owners of one group apart by their store, and tags apart by their topic', async () => {
    const [one, two, again] = [await names.owner('P', 's1'), await names.owner('P', ''), await names.owner('P', 's1')];
    expect(one).toEqual(again);
    expect(two.producerGroupId).toBe(one.producerGroupId);
    expect(two.ownerId).not.toBe(one.ownerId);
    expect(await names.tag(1, 'A')).not.toBe(await names.tag(2, 'A'));
  });
});
