import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { consumed, copiesOf, failed, GROUP, newClaim, PRODUCER, publish, received, rowOf, startSending, subscribe } from './fixtures.ts';
import { STORES, type TestStore } from './stores.ts';

const key = (n: number | string) => `${PRODUCER}:${n}`;
/** Subscribes, and is stopped: it reports nothing. */
const STOPPED = 'CID_STOPPED';
const resend = (consumerGroups: string[] = []) => ({ messageKey: key(1), consumerGroups, requestId: '', actor: 'o', comment: '' });

describe.each(STORES)('a copy that cannot go on, on %s', (_name, open) => {
  let test: TestStore;
  beforeAll(async () => {
    test = await open();
  });
  afterAll(() => test.close());
  beforeEach(async () => {
    await test.reset();
    await subscribe(test);
    await subscribe(test, STOPPED);
  });

  const listed = async (filter: { attentionOnly?: boolean; deadCopiesOnly?: boolean }) =>
    (await test.store.listMessages({ filter, pageSize: 10, after: undefined })).messages.map((message) => message.messageKey);
  const everywhere = async () => [await listed({ attentionOnly: true }), await listed({ deadCopiesOnly: true })];

  it('is seen while another group is open: in the list, by its reason, in the gauges; and again when it dies after a resend', async () => {
    await publish(test, key(1), key(2));
    expect(await everywhere()).toEqual([[], []]);
    await test.store.markDeliveries([failed(key(1))]);
    expect(await everywhere()).toEqual([[key(1)], [key(1)]]);
    expect(await rowOf(test, key(1))).toMatchObject({ state: 20, attention: 1, reason: 'GROUP_FAILED', open_groups: 1, dead_groups: 1 });
    const deadOf = async () => (await test.store.readBacklog()).consumerGroups.map(({ consumerGroup, dead }) => [consumerGroup, dead]).sort();
    expect(await deadOf()).toEqual([
      [GROUP, 1],
      [STOPPED, 0],
    ]);
    expect((await test.store.readBacklog()).attention).toBe(1);
    await test.store.resendMessage(resend());
    expect(await everywhere()).toEqual([[], []]);
    await test.store.markDeliveries([failed(key(1), GROUP, 2)]);
    expect(await everywhere()).toEqual([[key(1)], [key(1)]]);
    // A resend to the other group alone changes nothing about this one.
    await test.store.resendMessage(resend([STOPPED]));
    expect(await everywhere()).toEqual([[key(1)], [key(1)]]);
    await test.store.markDeliveries([consumed(key(1), GROUP, 2)]);
    expect(await everywhere()).toEqual([[], []]);
    expect(await rowOf(test, key(1))).toMatchObject({ state: 20, attention: null, reason: null });
    await test.store.markDeliveries([consumed(key(1), STOPPED)]);
    expect(await rowOf(test, key(1))).toMatchObject({ state: 30, attention: null });
  });

  it('does not hide what the producer contradicted', async () => {
    await publish(test, key(1));
    await test.store.applyVerdicts([{ producerGroup: PRODUCER, storeId: 'outbox-1', messageKey: key(1), verdict: 2 }], newClaim());
    await test.store.markDeliveries([failed(key(1))]);
    expect(await rowOf(test, key(1))).toMatchObject({ attention: 1, reason: 'ROLLBACK_AFTER_COMMIT' });
    await test.store.markDeliveries([consumed(key(1))]);
    expect(await rowOf(test, key(1))).toMatchObject({ attention: 1, reason: 'ROLLBACK_AFTER_COMMIT' });
  });

  it('of a message that the broker refused goes to every group that waits, also when one alone is named', async () => {
    const claim = newClaim();
    const [item] = await startSending(test, claim, key(1));
    await test.store.recordPublishResults(claim.token, [{ messageId: item?.messageId as number, outcome: 'refused', attempts: 0 }]);
    expect(await test.store.resendMessage(resend([GROUP]))).toMatchObject({
      consumerGroups: [GROUP, STOPPED],
      message: { state: 20, openGroups: 2 },
    });
    const { items } = await test.store.claimDueRedeliveries(10, newClaim());
    expect(items.map(({ consumerGroup }) => consumerGroup).sort()).toEqual([GROUP, STOPPED]);
    for (const copy of await copiesOf(test, key(1))) expect(copy.due_at).not.toBeNull();
  });

  it('of a message that the broker refused at a redelivery: who has it already is left alone', async () => {
    await publish(test, key(1));
    await test.store.markDeliveries([received(key(1))]);
    await test.store.resendMessage(resend([STOPPED]));
    const claim = newClaim();
    const { items } = await test.store.claimDueRedeliveries(10, claim);
    const results = items.map(({ messageId, consumerGroup }) => ({ messageId, consumerGroup, outcome: 'refused' as const, attempts: 0 }));
    await test.store.recordRedeliveryResults(claim.token, results);
    expect(await test.store.resendMessage(resend([STOPPED]))).toMatchObject({ consumerGroups: [STOPPED] });
  });
});
