import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  consumed,
  copiesOf,
  eventsOf,
  failed,
  GROUP,
  newClaim,
  PRODUCER,
  publish,
  received,
  rowOf,
  subscribe,
  TAG,
  TOPIC,
} from '../conformance/fixtures.ts';
import { STORES, type TestStore } from '../conformance/stores.ts';
import { DEFAULT_POLICIES } from '../create-store.ts';
import type { MessageFilter } from '../store-types.ts';

const OTHER = 'CID_OTHER';
const key = (n: number) => `${PRODUCER}:${n}`;

describe.each(STORES)('what a group does not receive for long, on %s', (_name, open) => {
  let test: TestStore;
  beforeAll(async () => {
    test = await open();
  });
  afterAll(() => test.close());
  beforeEach(async () => {
    await test.reset();
    await subscribe(test);
  });

  /** As if everything had been published so long ago that it is overdue. */
  const longAgo = () =>
    test.sql(
      'UPDATE message SET due_at = due_at - ?, published_at = published_at - ?',
      DEFAULT_POLICIES.overdueAfterMs,
      DEFAULT_POLICIES.overdueAfterMs,
    );
  const mark = (limit = 10, store = test.store) => store.markOverdue(limit);
  const list = async (filter: MessageFilter) => (await test.store.listMessages({ filter, pageSize: 50, after: undefined })).messages;
  const group = async (name = GROUP) => (await test.store.readBacklog()).consumerGroups.find(({ consumerGroup }) => consumerGroup === name);
  const timeline = async (messageKey: string) => (await test.store.getMessage(messageKey, { includeBody: false }))?.timeline ?? [];
  const resend = (messageKey: string) => test.store.resendMessage({ messageKey, consumerGroups: [], requestId: '', actor: 'op', comment: '' });

  it('is not overdue before its time, nor when it is received, settled, or still to be published', async () => {
    await publish(test, key(1));
    expect(await mark()).toEqual({ examined: 0, overdue: 0 });
    await publish(test, key(2), key(3));
    await test.store.markDeliveries([received(key(1)), received(key(2)), consumed(key(3))]);
    await longAgo();
    expect(await mark()).toEqual({ examined: 2, overdue: 0 });
    expect(await list({ attentionOnly: true })).toEqual([]);
  });

  it('is told once in attention, list, timeline and metrics, with since when, and stays SENDING', async () => {
    await publish(test, key(1), key(2));
    await longAgo();
    const published = (await test.store.getMessage(key(1), { includeBody: false }))?.message.publishedAt as number;
    expect(await mark()).toEqual({ examined: 2, overdue: 2 });
    expect(await mark(10, test.replica)).toEqual({ examined: 0, overdue: 0 });
    expect(await list({ attentionOnly: true })).toMatchObject([
      { messageKey: key(2), state: 20, attention: true, reason: 'OVERDUE' },
      { messageKey: key(1), state: 20, attention: true, reason: 'OVERDUE' },
    ]);
    const detail = `not received since ${new Date(published).toISOString()}`;
    expect((await timeline(key(1))).filter(({ kind }) => kind.startsWith('OVERDUE'))).toMatchObject([
      { kind: 'OVERDUE', consumerGroup: GROUP, detail },
    ]);
    expect(await group()).toMatchObject({ overdue: 2, dead: 0 });
    // Its own gauge tells it; those for what is dead or contradicted do not.
    expect(await test.store.readBacklog()).toMatchObject({ attention: 0, dead: 0 });
  });

  it('two replicas at once note each copy once', async () => {
    await publish(test, ...Array.from({ length: 20 }, (_, n) => key(n)));
    await longAgo();
    const counts = [await Promise.all([mark(20), mark(20, test.replica)]), [await mark(20)]].flat();
    expect(counts.reduce((sum, { overdue }) => sum + overdue, 0)).toBe(20);
    expect(await eventsOf(test, key(7))).toEqual(['OVERDUE']);
  });

  it.each([
    ['received', received, 20],
    ['consumed', consumed, 30],
  ] as const)('is over, and the timeline says so, once it is %s', async (_what, report, state) => {
    await publish(test, key(1));
    await longAgo();
    await mark();
    await test.store.markDeliveries([report(key(1))]);
    expect((await test.store.getMessage(key(1), { includeBody: false }))?.message).toMatchObject({ attention: false, reason: '' });
    expect((await rowOf(test, key(1))).state).toBe(state === 20 ? 20 : 30);
    expect(await eventsOf(test, key(1))).toEqual(['OVERDUE', 'OVERDUE_ENDED']);
    expect(await group()).toMatchObject({ overdue: 0 });
  });

  it('stays so while another group has not received it either', async () => {
    await subscribe(test, OTHER);
    await publish(test, key(1));
    await longAgo();
    expect(await mark()).toEqual({ examined: 1, overdue: 2 });
    await test.store.markDeliveries([received(key(1))]);
    expect(await list({ attentionOnly: true })).toMatchObject([{ messageKey: key(1), reason: 'OVERDUE' }]);
    await test.store.markDeliveries([received(key(1), OTHER)]);
    expect(await list({ attentionOnly: true })).toEqual([]);
  });

  it('does not hide a dead copy, nor does the dead copy’s end hide it', async () => {
    await subscribe(test, OTHER);
    await publish(test, key(1), key(2));
    await test.store.markDeliveries([failed(key(1), OTHER), failed(key(2), OTHER)]);
    await longAgo();
    await mark();
    expect(await list({ deadCopiesOnly: true })).toHaveLength(2);
    expect(await list({ attentionOnly: true })).toMatchObject([{ reason: 'GROUP_FAILED' }, { reason: 'GROUP_FAILED' }]);
    expect(await test.store.readBacklog()).toMatchObject({ attention: 2 });
    await test.store.markDeliveries([consumed(key(1), OTHER)]);
    await resend(key(2));
    expect(await list({ attentionOnly: true })).toMatchObject([{ reason: 'OVERDUE' }, { reason: 'OVERDUE' }]);
    await test.store.markDeliveries([received(key(1)), received(key(2))]);
    expect(await list({ attentionOnly: true })).toEqual([]);
  });

  it('is noted anew only where a later resend is not received either', async () => {
    await publish(test, key(1));
    await longAgo();
    await mark();
    await resend(key(1));
    await longAgo();
    expect(await mark()).toEqual({ examined: 1, overdue: 0 });
    await test.store.markDeliveries([consumed(key(1))]);
    await test.store.resendMessage({ messageKey: key(1), consumerGroups: [GROUP], requestId: '', actor: 'op', comment: '' });
    await longAgo();
    expect(await mark()).toEqual({ examined: 1, overdue: 1 });
    expect(await eventsOf(test, key(1))).toEqual(['OVERDUE', 'RESENT', 'OVERDUE_ENDED', 'RESENT', 'OVERDUE']);
  });

  it('ends with its group, and where the broker refuses the message', async () => {
    await publish(test, key(1), key(2));
    await longAgo();
    await mark();
    await resend(key(2));
    const claim = newClaim();
    const { items } = await test.store.claimDueRedeliveries(10, claim);
    const refused = items.map(({ messageId, attempts }) => ({ messageId, attempts, consumerGroup: GROUP, outcome: 'refused' as const }));
    await test.store.recordRedeliveryResults(claim.token, refused);
    expect(await rowOf(test, key(2))).toMatchObject({ state: 50, attention: 1, reason: 'BROKER_REFUSED' });
    await test.store.removeConsumerGroup({ consumerGroup: GROUP, requestId: '', actor: 'op', comment: '', validateOnly: false, force: true });
    expect(await rowOf(test, key(1))).toMatchObject({ state: 30, attention: null });
    expect(await eventsOf(test, key(1))).toEqual(['OVERDUE', 'OVERDUE_ENDED', 'SKIPPED']);
    for (const n of [1, 2]) expect(await copiesOf(test, key(n))).toMatchObject([{ overdue: 0 }]);
  });

  it('leaves no instances of consumers behind that have long been silent; those of producers are remembered for a day', async () => {
    const beat = (instanceId: string) =>
      test.store.registerConsumer({
        consumerGroup: GROUP,
        storeId: `inbox-${GROUP}`,
        instanceId,
        subscriptions: [{ topic: TOPIC, tags: [TAG] }],
        host: 'h',
        idle: false,
      });
    const producer = { producerGroup: PRODUCER, storeId: 'outbox-1', instanceId: 'p-1', topics: [], host: 'h' };
    await test.store.registerProducer(producer);
    for (let n = 0; n < 5; n++) await beat(`old-${n}`);
    await test.sql('UPDATE instance SET heartbeat_at = heartbeat_at - ?', 3_600_000);
    await beat('old-3');
    await beat('new');
    expect((await test.sql('SELECT instance_id FROM instance ORDER BY instance_id')).map((row) => row.instance_id)).toEqual(['new', 'old-3', 'p-1']);
    await test.sql('UPDATE instance SET heartbeat_at = heartbeat_at - ?', 25 * 3_600_000);
    await test.store.registerProducer({ ...producer, instanceId: 'p-2' });
    expect((await test.sql('SELECT instance_id FROM instance')).map((row) => row.instance_id)).toEqual(['p-2']);
  });
});
