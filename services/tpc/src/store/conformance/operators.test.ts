import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { MessageFilter } from '../store-types.ts';
import {
  consumed,
  copiesOf,
  eventsOf,
  failed,
  GROUP,
  itemOf,
  letTimePass,
  newClaim,
  PRODUCER,
  prepare,
  publish,
  received,
  rowOf,
  startSending,
  subscribe,
  TAG,
  TOPIC,
} from './fixtures.ts';
import { STORES, type TestStore } from './stores.ts';

const key = (n: number | string) => `${PRODUCER}:${n}`;
const resend = (messageKey: string, consumerGroups: string[] = [], requestId = '') => ({
  messageKey,
  consumerGroups,
  requestId,
  actor: 'operator',
  comment: 'because',
});

describe.each(STORES)('operators, on %s', (_name, open) => {
  let test: TestStore;
  beforeAll(async () => {
    test = await open();
  });
  afterAll(() => test.close());
  beforeEach(() => test.reset());

  it('page through all messages, newest first, each once', async () => {
    await subscribe(test);
    const keys = Array.from({ length: 7 }, (_, n) => key(n));
    for (const messageKey of keys) await prepare(test, messageKey);
    const seen: string[] = [];
    let after: number | undefined;
    do {
      const page = await test.store.listMessages({ filter: {}, pageSize: 3, after });
      seen.push(...page.messages.map((message) => message.messageKey));
      after = page.next;
    } while (after !== undefined);
    expect(seen).toEqual(keys.reverse());
    expect((await test.store.listMessages({ filter: {}, pageSize: 7, after: undefined })).next).toBeUndefined();
  });

  it('find messages by every filter, and by all of them together', async () => {
    await subscribe(test, GROUP, TOPIC, []);
    await subscribe(test, GROUP, 'T2', []);
    await publish(test, key(1));
    await prepare(test, key(2));
    await test.store.saveMessages([itemOf('PID_B:1', { producerGroup: 'PID_B', topic: 'T2', tag: 'X' })]);
    await publish(test, key(3));
    await test.store.markDeliveries([failed(key(3))]);
    await publish(test, key(4));
    await test.store.markDeliveries([consumed(key(4))]);
    const now = (await test.store.listMessages({ filter: {}, pageSize: 1, after: undefined })).messages[0]?.createdAt as number;
    const cases: [MessageFilter, string[]][] = [
      [{}, ['1', '2', '3', '4', 'B']],
      [{ messageKey: key(2) }, ['2']],
      [{ messageKey: 'nobody' }, []],
      [{ producerGroup: 'PID_B' }, ['B']],
      [{ producerGroup: 'PID_NOBODY' }, []],
      [{ topic: 'T2' }, ['B']],
      [{ topic: 'NO_TOPIC' }, []],
      [{ tag: TAG }, ['1', '2', '3', '4']],
      [{ states: [10] }, ['2', 'B']],
      [{ states: [10, 20] }, ['1', '2', 'B']],
      [{ states: [50] }, ['3']],
      [{ states: [30, 50] }, ['3', '4']],
      [{ attentionOnly: true }, ['3']],
      [{ attentionOnly: true, states: [20] }, []],
      [{ createdFrom: now + 60_000 }, []],
      [{ createdTo: now - 60_000 }, []],
      [{ createdFrom: now - 60_000, createdTo: now + 60_000, producerGroup: PRODUCER, topic: TOPIC, tag: TAG, states: [20, 30] }, ['1', '4']],
    ];
    for (const [filter, expected] of cases) {
      const { messages } = await test.store.listMessages({ filter, pageSize: 50, after: undefined });
      const names = messages.map((message) => (message.producerGroup === 'PID_B' ? 'B' : message.messageKey.slice(PRODUCER.length + 1)));
      expect([filter, names.sort()]).toEqual([filter, expected]);
    }
  });

  it('see one message with its groups’ copies, its story and, if asked, its body', async () => {
    await subscribe(test);
    await subscribe(test, 'CID_B');
    await publish(test, key(1));
    await test.store.markDeliveries([received(key(1)), failed(key(1), 'CID_B')]);
    const detail = await test.store.getMessage(key(1), { includeBody: true });
    expect(detail?.message).toMatchObject({
      messageKey: key(1),
      topic: TOPIC,
      storeId: 'outbox-1',
      bodySize: 4,
      headers: { lang: 'zh' },
      openGroups: 1,
    });
    expect(detail?.confirms).toMatchObject([
      { consumerGroup: 'CID_B', dead: true, reason: 'POISON: in words' },
      { consumerGroup: GROUP, status: 20, dead: false, consumeCount: 1 },
    ]);
    expect(detail?.timeline.map((entry) => entry.kind).sort()).toEqual(['CONFIRMED', 'FAILED', 'PREPARED', 'PUBLISHED', 'RECEIVED', 'RECEIVED']);
    expect(detail?.timeline.find((entry) => entry.kind === 'FAILED')).toMatchObject({ consumerGroup: 'CID_B', actor: 'CID_B' });
    expect(detail?.body?.toString()).toBe('body');
    expect((await test.store.getMessage(key(1), { includeBody: false }))?.body).toBeUndefined();
    expect(await test.store.getMessage(key(9), { includeBody: true })).toBeUndefined();
  });

  it('resend a dead message: the failed group gets it under the next generation, at once, and alone', async () => {
    await subscribe(test);
    await subscribe(test, 'CID_B');
    await publish(test, key(1));
    await test.store.markDeliveries([failed(key(1)), consumed(key(1), 'CID_B')]);
    const result = await test.store.resendMessage(resend(key(1)));
    expect(result).toMatchObject({ consumerGroups: [GROUP], message: { state: 20, openGroups: 1, deadGroups: 0, attention: false, generation: 2 } });
    const { items } = await test.store.claimDueRedeliveries(10, newClaim());
    expect(items).toMatchObject([{ messageKey: key(1), consumerGroup: GROUP, generation: 2 }]);
    expect(await eventsOf(test, key(1))).toEqual(['FAILED', 'RESENT', 'REDELIVERED']);
    await test.store.markDeliveries([consumed(key(1), GROUP, 2)]);
    expect(await rowOf(test, key(1))).toMatchObject({ state: 30, generation: 2 });
  });

  it('resend what was never received under the same generation', async () => {
    await subscribe(test);
    await publish(test, key(1));
    await test.store.resendMessage(resend(key(1)));
    const { items } = await test.store.claimDueRedeliveries(10, newClaim());
    expect(items).toMatchObject([{ generation: 1, consumerGroup: GROUP }]);
    expect(await copiesOf(test, key(1))).toMatchObject([{ status: 10, generation: 1, urgent: 1 }]);
  });

  it('replay a consumed message to the named group only', async () => {
    await subscribe(test);
    await subscribe(test, 'CID_B');
    await publish(test, key(1));
    await test.store.markDeliveries([consumed(key(1)), consumed(key(1), 'CID_B')]);
    expect(await test.store.resendMessage(resend(key(1)))).toMatchObject({ consumerGroups: [], message: { state: 30 } });
    expect(await test.store.resendMessage(resend(key(1), ['CID_B']))).toMatchObject({ consumerGroups: ['CID_B'], message: { state: 20 } });
    expect((await test.store.claimDueRedeliveries(10, newClaim())).items).toMatchObject([{ consumerGroup: 'CID_B', generation: 2 }]);
    await test.store.markDeliveries([consumed(key(1), 'CID_B', 2)]);
    expect(await rowOf(test, key(1))).toMatchObject({ state: 30, open_groups: 0 });
  });

  it('resend a message that was dead for want of a subscriber: it gets its groups', async () => {
    await test.store.saveAndSendMessages([{ ...itemOf(key(1)), committed: true }], newClaim());
    expect(await test.store.resendMessage(resend(key(1)))).toMatchObject({ refused: 'NO_SUBSCRIBER' });
    await subscribe(test);
    expect(await test.store.resendMessage(resend(key(1)))).toMatchObject({ consumerGroups: [GROUP], message: { state: 20, openGroups: 1 } });
    expect(await test.store.resumeUnsubscribed(10)).toBe(0);
    expect((await test.store.claimDueRedeliveries(10, newClaim())).items).toHaveLength(1);
    expect(await test.store.claimDueToPublish(10, newClaim())).toEqual([]);
  });

  it('resend what the broker refused', async () => {
    await subscribe(test);
    const claim = newClaim();
    const [item] = await startSending(test, claim, key(1));
    await test.store.recordPublishResults(claim.token, [{ messageId: item?.messageId as number, outcome: 'refused', attempts: 0 }]);
    await test.store.resendMessage(resend(key(1)));
    expect((await test.store.claimDueRedeliveries(10, newClaim())).items).toHaveLength(1);
    expect(await rowOf(test, key(1))).toMatchObject({ state: 20, attention: null });
  });

  it('resend while the first publish is still to come: no group gets a generation that is not its own', async () => {
    await subscribe(test);
    await subscribe(test, 'CID_B');
    const claim = newClaim();
    const [item] = await startSending(test, claim, key(1));
    await test.store.markDeliveries([consumed(key(1))]);
    await test.store.resendMessage(resend(key(1), [GROUP]));
    await letTimePass(test);
    expect(await test.store.claimDueToPublish(10, newClaim())).toEqual([]);
    expect(await test.store.recordPublishResults(claim.token, [{ messageId: item?.messageId as number, outcome: 'retry', attempts: 0 }])).toBe(0);
    const { items } = await test.store.claimDueRedeliveries(10, newClaim());
    expect(items.map((one) => [one.consumerGroup, one.generation]).sort()).toEqual([
      ['CID_B', 1],
      [GROUP, 2],
    ]);
  });

  it('replay above what a group has handled, also when TPC was restored from a time before that', async () => {
    await subscribe(test);
    await publish(test, key(1));
    await test.store.markDeliveries([consumed(key(1), GROUP, 3)]);
    await test.store.resendMessage(resend(key(1), [GROUP]));
    expect((await test.store.claimDueRedeliveries(10, newClaim())).items).toMatchObject([{ generation: 4 }]);
  });

  it('are refused for what is not there, not sent, or not theirs to get', async () => {
    await subscribe(test);
    await prepare(test, key(1));
    await publish(test, key(2));
    expect(await test.store.resendMessage(resend(key(9)))).toMatchObject({ refused: 'RESEND_NOT_FOUND' });
    expect(await test.store.resendMessage(resend(key(1)))).toMatchObject({ refused: 'NOT_RESENDABLE' });
    expect(await test.store.resendMessage(resend(key(2), ['CID_NOBODY']))).toMatchObject({ refused: 'GROUP_NOT_SUBSCRIBED' });
    expect((await copiesOf(test, key(2)))[0]?.urgent).toBe(0);
  });

  it('act once for one request id, also at the same moment, and are answered alike', async () => {
    await subscribe(test);
    await publish(test, key(1), key(2));
    await test.store.markDeliveries([failed(key(1)), failed(key(2))]);
    const id = '0198c0de-0000-7000-8000-00000000000a';
    const calls = [test.store, test.replica, test.store].map((store) => store.resendMessage(resend(key(1), [], id)));
    for (const result of await Promise.all(calls)) expect(result).toMatchObject({ consumerGroups: [GROUP], message: { generation: 2 } });
    expect(await eventsOf(test, key(1))).toEqual(['FAILED', 'RESENT']);
    expect(await test.store.resendMessage(resend(key(2), [], id))).toMatchObject({ refused: 'REQUEST_ID_REUSED' });
    await test.store.markDeliveries([failed(key(1), GROUP, 2)]);
    await test.store.resendMessage(resend(key(1)));
    expect((await rowOf(test, key(1))).generation).toBe(3);
  });

  it('see how much waits, and for how long', async () => {
    expect(await test.store.readBacklog()).toMatchObject({ uncertain: { count: 0, oldestDueMs: 0 }, dead: 0, attention: 0 });
    await subscribe(test);
    await prepare(test, key(1), key(2));
    await startSending(test, newClaim(), key(3));
    await publish(test, key(4), key(5), key(6));
    await test.store.markDeliveries([failed(key(5)), consumed(key(6))]);
    await test.store.saveAndSendMessages([{ ...itemOf(key(7), { tag: 'NOBODY' }), committed: true }], newClaim());
    await letTimePass(test);
    const backlog = await test.store.readBacklog();
    expect(backlog).toMatchObject({ uncertain: { count: 2 }, unpublished: { count: 1 }, following: { count: 1 }, dead: 2, attention: 2 });
    for (const part of [backlog.uncertain, backlog.unpublished, backlog.following]) expect(part.oldestDueMs).toBeGreaterThan(0);
  });
});
