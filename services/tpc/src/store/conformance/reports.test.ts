import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Mark } from '../store-types.ts';
import { consumed, copiesOf, eventsOf, failed, newClaim, PRODUCER, prepare, publish, received, rowOf, startSending, subscribe } from './fixtures.ts';
import { STORES, type TestStore } from './stores.ts';

const key = (n: number | string) => `${PRODUCER}:${n}`;

describe.each(STORES)('consumers’ reports, on %s', (_name, open) => {
  let test: TestStore;
  beforeAll(async () => {
    test = await open();
  });
  afterAll(() => test.close());
  beforeEach(() => test.reset());

  it('received, then consumed, finish a message with one group', async () => {
    await subscribe(test);
    await publish(test, key(1));
    expect(await test.store.markDeliveries([received(key(1))])).toEqual([{ tracked: true }]);
    expect((await copiesOf(test, key(1)))[0]).toMatchObject({ status: 20, consume_count: 1, due_at: null });
    expect((await rowOf(test, key(1))).state).toBe(20);
    expect(await test.store.markDeliveries([consumed(key(1))])).toEqual([{ tracked: true }]);
    expect((await copiesOf(test, key(1)))[0]).toMatchObject({ status: 30, consume_count: 1 });
    expect(await rowOf(test, key(1))).toMatchObject({ state: 30, open_groups: 0, lane: null, due_at: null, claim: null });
  });

  it('count once when they come twice, in one batch or in two, in any order', async () => {
    await subscribe(test);
    await subscribe(test, 'CID_B');
    await publish(test, key(1));
    const marks = [consumed(key(1)), received(key(1)), consumed(key(1)), received(key(1))];
    expect(await test.store.markDeliveries(marks)).toEqual(marks.map(() => ({ tracked: true })));
    await test.store.markDeliveries(marks);
    expect(await rowOf(test, key(1))).toMatchObject({ state: 20, open_groups: 1 });
    expect((await copiesOf(test, key(1)))[1]).toMatchObject({ status: 30, consume_count: 1 });
  });

  it('of all groups and many messages in one batch settle each where it belongs', async () => {
    await subscribe(test);
    await subscribe(test, 'CID_B');
    await publish(test, key(1), key(2), key(3));
    await test.store.markDeliveries([
      consumed(key(1)),
      consumed(key(1), 'CID_B'),
      consumed(key(2)),
      received(key(2), 'CID_B'),
      failed(key(3)),
      consumed(key(3), 'CID_B'),
    ]);
    expect(await rowOf(test, key(1))).toMatchObject({ state: 30, open_groups: 0, dead_groups: 0 });
    expect(await rowOf(test, key(2))).toMatchObject({ state: 20, open_groups: 1, dead_groups: 0 });
    expect(await rowOf(test, key(3))).toMatchObject({ state: 50, open_groups: 0, dead_groups: 1, reason: 'GROUP_FAILED' });
  });

  it('from another inbox database than the group’s are refused, also beside good ones of the same message, and change nothing', async () => {
    await subscribe(test);
    await publish(test, key(1), key(2));
    const own = (mark: Mark) => ({ ...mark, storeId: `inbox-${mark.consumerGroup}`, instanceId: 'good' });
    const foreign = (mark: Mark) => ({ ...mark, storeId: 'inbox-elsewhere', instanceId: 'bad' });
    const refused = { refused: 'INBOX_STORE_CONFLICT', metadata: { consumer_group: 'CID_OPC', store_id: 'inbox-elsewhere', instance_id: 'bad' } };
    for (const mark of [received(key(1)), consumed(key(1)), failed(key(1))])
      expect(await test.store.markDeliveries([foreign(mark)])).toEqual([refused]);
    expect((await copiesOf(test, key(1)))[0]).toMatchObject({ status: 10, dead: 0, consume_count: 0 });
    const mixed = [foreign(consumed(key(1))), own(received(key(1))), foreign(failed(key(1))), received(key(2)), foreign(received(key(9)))];
    expect(await test.store.markDeliveries(mixed)).toEqual([refused, { tracked: true }, refused, { tracked: true }, { tracked: false }]);
    expect((await copiesOf(test, key(1)))[0]).toMatchObject({ status: 20, dead: 0, consume_count: 1 });
    // Two good ones still count once.
    expect(await test.store.markDeliveries([own(consumed(key(1))), consumed(key(1))])).toEqual([{ tracked: true }, { tracked: true }]);
    expect(await rowOf(test, key(1))).toMatchObject({ state: 30, open_groups: 0 });
  });

  it('are tracked=false for what TPC does not follow, and record nothing', async () => {
    await subscribe(test);
    await subscribe(test, 'CID_OTHER', 'OTHER_TOPIC', []);
    await prepare(test, key(1));
    await publish(test, key(2));
    const marks = [consumed(key(9)), consumed(key(2), 'CID_UNKNOWN'), consumed(key(2), 'CID_OTHER'), consumed(key(1)), received(key(2))];
    expect(await test.store.markDeliveries(marks)).toEqual([false, false, false, false, true].map((tracked) => ({ tracked })));
    expect((await rowOf(test, key(1))).state).toBe(10);
    expect((await rowOf(test, key(2))).open_groups).toBe(1);
  });

  it('of a final failure kill only this group’s copy, with its reason; the message goes on with the others', async () => {
    await subscribe(test);
    await subscribe(test, 'CID_B');
    await publish(test, key(1));
    await test.store.markDeliveries([failed(key(1))]);
    expect(await rowOf(test, key(1))).toMatchObject({ state: 20, open_groups: 1, dead_groups: 1 });
    expect((await copiesOf(test, key(1)))[1]).toMatchObject({ status: 20, dead: 1, reason: 'POISON', due_at: null });
    expect(await eventsOf(test, key(1))).toEqual(['FAILED']);
    await test.store.markDeliveries([failed(key(1)), consumed(key(1), 'CID_B')]);
    expect(await rowOf(test, key(1))).toMatchObject({ state: 50, open_groups: 0, dead_groups: 1, attention: 1 });
    expect(await eventsOf(test, key(1))).toEqual(['FAILED']);
  });

  it('of consumption bring a dead copy back: DEAD becomes FINISHED', async () => {
    await subscribe(test);
    await publish(test, key(1));
    await test.store.markDeliveries([failed(key(1))]);
    expect((await rowOf(test, key(1))).state).toBe(50);
    await test.store.markDeliveries([consumed(key(1))]);
    expect(await rowOf(test, key(1))).toMatchObject({ state: 30, dead_groups: 0, attention: null, reason: null });
    expect((await copiesOf(test, key(1)))[0]).toMatchObject({ status: 30, dead: 0, reason: null });
  });

  it('leave a message DEAD as long as another of its groups is', async () => {
    await subscribe(test);
    await subscribe(test, 'CID_B');
    await publish(test, key(1));
    await test.store.markDeliveries([failed(key(1)), failed(key(1), 'CID_B')]);
    await test.store.markDeliveries([consumed(key(1))]);
    expect(await rowOf(test, key(1))).toMatchObject({ state: 50, open_groups: 0, dead_groups: 1, attention: 1 });
  });

  it('never lower consumed: a failure that comes late is ignored', async () => {
    await subscribe(test);
    await publish(test, key(1));
    await test.store.markDeliveries([consumed(key(1))]);
    await test.store.markDeliveries([failed(key(1)), received(key(1))]);
    expect(await rowOf(test, key(1))).toMatchObject({ state: 30, dead_groups: 0 });
  });

  it('of an older generation are dropped', async () => {
    await subscribe(test);
    await publish(test, key(1));
    await test.store.markDeliveries([consumed(key(1))]);
    await test.store.resendMessage({ messageKey: key(1), consumerGroups: ['CID_OPC'], requestId: '', actor: 'op', comment: '' });
    expect(await test.store.markDeliveries([consumed(key(1), 'CID_OPC', 1)])).toEqual([{ tracked: true }]);
    expect(await rowOf(test, key(1))).toMatchObject({ state: 20, open_groups: 1 });
    await test.store.markDeliveries([consumed(key(1), 'CID_OPC', 2)]);
    expect((await rowOf(test, key(1))).state).toBe(30);
  });

  it('that overtake the publish result end the message all the same', async () => {
    await subscribe(test);
    await startSending(test, newClaim(), key(1));
    await test.store.markDeliveries([received(key(1)), consumed(key(1))]);
    expect(await rowOf(test, key(1))).toMatchObject({ state: 30, publishes: 1 });
    const detail = await test.store.getMessage(key(1), { includeBody: false });
    expect(detail?.timeline.map((entry) => entry.kind)).toContain('PUBLISHED');
  });

  it('finish a message that the broker was thought to have refused', async () => {
    await subscribe(test);
    const claim = newClaim();
    const [item] = await startSending(test, claim, key(1));
    await test.store.recordPublishResults(claim.token, [{ messageId: item?.messageId as number, outcome: 'refused', attempts: 0 }]);
    await test.store.markDeliveries([consumed(key(1))]);
    expect(await rowOf(test, key(1))).toMatchObject({ state: 30, attention: null });
  });

  it('keep an alert about a contradicting verdict when the message ends', async () => {
    await subscribe(test);
    await publish(test, key(1));
    await test.store.applyVerdicts([{ producerGroup: PRODUCER, storeId: 'outbox-1', messageKey: key(1), verdict: 2 }], newClaim());
    await test.store.markDeliveries([consumed(key(1))]);
    expect(await rowOf(test, key(1))).toMatchObject({ state: 30, attention: 1, reason: 'ROLLBACK_AFTER_COMMIT' });
  });

  it('may be none at all', async () => {
    expect(await test.store.markDeliveries([])).toEqual([]);
  });
});
