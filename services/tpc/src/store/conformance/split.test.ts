import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { consumed, itemOf, letTimePass, newClaim, PRODUCER, publish, rowOf, STORE_ID, startSending, subscribe } from './fixtures.ts';
import { openBehindSplit, type TestStore } from './stores.ts';

const key = (n: number | string) => `${PRODUCER}:${n}`;

describe('behind a read-write split whose replica is late', () => {
  let test: TestStore;
  beforeAll(async () => {
    test = await openBehindSplit();
  });
  afterAll(() => test.close());
  beforeEach(async () => {
    await test.reset();
    await subscribe(test);
  });

  it('a message that one replica has prepared is confirmed, published and finished by another', async () => {
    await test.store.saveMessages([itemOf(key(1))]);
    const claim = newClaim();
    const { results, publish: items } = await test.replica.confirmMessages([{ producerGroup: PRODUCER, messageKey: key(1) }], claim);
    expect(results).toEqual([{ state: 20 }]);
    expect(items.map(({ content }) => content.body.toString())).toEqual(['body']);
    expect(await test.store.markDeliveries([consumed(key(1))])).toEqual([{ tracked: true }]);
    expect(await rowOf(test, key(1))).toMatchObject({ state: 30 });
  });

  it('what is due to be published is handed out with its content', async () => {
    await startSending(test, newClaim(), key(1), key(2));
    await letTimePass(test);
    const items = await test.replica.claimDueToPublish(10, newClaim());
    expect(items.map(({ messageKey, content }) => [messageKey, content.body.toString()])).toEqual([
      [key(1), 'body'],
      [key(2), 'body'],
    ]);
  });

  it('a copy that an operator sends again is handed out with its content, and the same request is answered alike', async () => {
    await publish(test, key(1));
    const request = { messageKey: key(1), consumerGroups: [], requestId: 'r-1', comment: '', actor: 'operator' };
    const answers = [await test.store.resendMessage(request), await test.replica.resendMessage(request)];
    expect(answers).toMatchObject([{ consumerGroups: ['CID_OPC'] }, { consumerGroups: ['CID_OPC'] }]);
    const { items } = await test.replica.claimDueRedeliveries(10, newClaim());
    expect(items).toMatchObject([{ messageKey: key(1), consumerGroup: 'CID_OPC' }]);
    expect(await test.store.getMessage(key(1), { includeBody: true })).toMatchObject({ message: { messageKey: key(1) }, body: Buffer.from('body') });
  });

  it('a message that is sent again by another replica is the same message', async () => {
    const item = { ...itemOf(key(1)), committed: true };
    for (const store of [test.store, test.replica, test.store])
      expect((await store.saveAndSendMessages([item], newClaim())).results).toMatchObject([{ state: 20, storedKey: key(1) }]);
    expect(await test.replica.saveMessages([itemOf(key(1))])).toEqual([{ state: 20 }]);
  });

  it('a group is registered again, and its check-backs are asked for and answered', async () => {
    await subscribe(test);
    await test.store.saveMessages([itemOf(key(1))]);
    await letTimePass(test);
    const owner = { producerGroup: PRODUCER, storeId: STORE_ID };
    expect(await test.replica.nextUncertainInMs(owner)).toBe(0);
    expect(await test.replica.claimUncertain(owner, 10)).toMatchObject([{ messageKey: key(1) }]);
    const verdict = { ...owner, messageKey: key(1), verdict: 3 } as const;
    expect((await test.store.applyVerdicts([verdict], newClaim())).results).toEqual([{ state: 10 }]);
  });
});
