import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { consumed, copiesOf, eventsOf, GROUP, newClaim, PRODUCER, publish, received, rowOf, TAG, TOPIC } from '../conformance/fixtures.ts';
import { STORES, type TestStore } from '../conformance/stores.ts';
import { createStore, DEFAULT_POLICIES } from '../create-store.ts';

const key = (n: number | string) => `${PRODUCER}:${n}`;
const OTHER = 'OTHER_TAG';
const NOTHING = { differing: [], untaken: [] };

describe.each(STORES)('the subscriptions of the instances of a group, on %s', (_name, open) => {
  let test: TestStore;
  beforeAll(async () => {
    test = await open();
  });
  afterAll(() => test.close());
  beforeEach(() => test.reset());

  /** A heartbeat of an instance that takes these tags of the topic. @param tells whether that is all that it takes */
  async function heartbeat(instanceId: string, tags: string[], { tells = true, group = GROUP, topic = TOPIC } = {}) {
    const subscriptions = [{ topic, tags, idle: tells ? false : undefined }];
    const answer = await test.store.registerConsumer({
      consumerGroup: group,
      storeId: `inbox-${group}`,
      instanceId,
      subscriptions,
      host: 'h',
      idle: false,
    });
    if ('refused' in answer) throw new Error(answer.refused);
    return answer.faults;
  }
  const vanish = (instanceId: string) => test.sql('DELETE FROM instance WHERE instance_id = ?', instanceId);
  const inNeed = async () => (await test.store.listConsumerGroups({ after: undefined, limit: 10, attentionOnly: true })).map(({ name }) => name);
  /** Milliseconds until a copy is looked at again. */
  async function waitOf(messageKey: string, group = GROUP): Promise<number> {
    const [row] = await test.sql<{ wait: number }>(
      `SELECT c.due_at - ${test.ctx.sql.now} AS wait FROM confirm c JOIN message m ON m.id = c.message_id JOIN consumer_group g ON g.id = c.group_id
       WHERE m.message_key = ? AND g.name = ?`,
      messageKey,
      group,
    );
    return row?.wait as number;
  }
  const allDue = () => test.sql('UPDATE confirm SET due_at = 1 WHERE due_at IS NOT NULL');

  it('are the same: nothing is noted, and no copy is made due', async () => {
    await heartbeat('a', [TAG, OTHER]);
    await heartbeat('b', [OTHER, TAG, TAG]);
    await publish(test, key(1));
    expect(await test.store.reviewSubscriptions()).toEqual([]);
    expect(await heartbeat('a', [TAG, OTHER])).toEqual(NOTHING);
    expect(await inNeed()).toEqual([]);
    expect(await waitOf(key(1))).toBeGreaterThan(30_000);
  });

  it('differ: that is named until it ends, and then the open copies are due, once', async () => {
    await heartbeat('old', [TAG]);
    await heartbeat('new', [TAG, OTHER]);
    await publish(test, key(1), key(2), key(3));
    await test.store.markDeliveries([received(key(3))]);
    await test.sql('UPDATE confirm SET due_at = due_at + 500000 WHERE due_at IS NOT NULL');
    const differing = [`${TOPIC}:${OTHER}`];
    expect(await test.store.reviewSubscriptions()).toEqual([{ consumerGroup: GROUP, differing, untaken: [], due: 0 }]);
    expect(await test.store.reviewSubscriptions()).toEqual([]);
    expect(await heartbeat('old', [TAG])).toEqual({ differing, untaken: [] });
    expect(await inNeed()).toEqual([GROUP]);
    expect((await test.store.listConsumerGroups({ after: undefined, limit: 10 }))[0]).toMatchObject({ differing, untaken: [] });
    expect((await test.store.readBacklog()).consumerGroups).toMatchObject([{ differing, untaken: [] }]);
    expect(await waitOf(key(1))).toBeGreaterThan(400_000);
    // As a redelivery under way holds it.
    await test.sql('UPDATE confirm SET claim = 7 WHERE message_id = (SELECT id FROM message WHERE message_key = ?)', key(2));
    await vanish('old');
    expect(await test.store.reviewSubscriptions()).toEqual([{ consumerGroup: GROUP, ...NOTHING, due: 1 }]);
    expect(await waitOf(key(1))).toBeLessThanOrEqual(0);
    expect(await waitOf(key(2))).toBeGreaterThan(400_000);
    expect(await heartbeat('new', [TAG, OTHER])).toEqual(NOTHING);
    expect(await inNeed()).toEqual([]);
    await test.store.claimDueRedeliveries(10, newClaim());
    expect(await test.store.reviewSubscriptions()).toEqual([]);
    expect(await waitOf(key(1))).toBeGreaterThan(30_000);
  });

  it('end to differ: more copies than one step takes are all due', async () => {
    await heartbeat('old', [TAG]);
    await heartbeat('new', [TAG, OTHER]);
    await publish(test, key(1));
    await test.store.reviewSubscriptions();
    const [{ group_id, message_id }] = (await test.sql('SELECT group_id, message_id FROM confirm')) as [{ group_id: number; message_id: number }];
    const far = Date.now() + 600_000;
    for (let at = 1; at <= 1_200; at += 100) {
      const rows = Array.from({ length: 100 }, (_, n) => `(${message_id + at + n}, ${group_id}, 10, ${far})`);
      await test.sql(`INSERT INTO confirm (message_id, group_id, status, due_at) VALUES ${rows.join()}`);
    }
    await vanish('old');
    expect(await test.store.reviewSubscriptions()).toMatchObject([{ due: 1_201 }]);
    expect(await test.sql(`SELECT COUNT(*) AS n FROM confirm WHERE due_at > ${test.ctx.sql.now}`)).toEqual([{ n: 0 }]);
  });

  it('differ for two replicas that look at the same moment: one of them says it, and one that it has ended', async () => {
    await heartbeat('old', [TAG]);
    await heartbeat('new', []);
    const both = async () => (await Promise.all([test.store, test.replica].map((one) => one.reviewSubscriptions()))).flat();
    expect(await both()).toEqual([{ consumerGroup: GROUP, differing: [TOPIC, `${TOPIC}:${TAG}`], untaken: [], due: 0 }]);
    await vanish('old');
    // What nobody takes by itself is taken with all tags.
    expect(await both()).toMatchObject([{ ...NOTHING }]);
  });

  it('differ: TPC that starts anew knows it, and notices the end', async () => {
    await heartbeat('old', [TAG]);
    await heartbeat('new', [TAG, OTHER]);
    await publish(test, key(1));
    await test.store.reviewSubscriptions();
    await vanish('old');
    const anew = createStore(test.knex, { policies: DEFAULT_POLICIES });
    expect(await anew.reviewSubscriptions()).toMatchObject([{ ...NOTHING, due: 1 }]);
  });

  it('differ in a topic that only one of them takes, or of an instance that does not tell all: that is no fault', async () => {
    await heartbeat('a', [TAG]);
    await heartbeat('b', [TAG], { topic: 'TOPIC_OF_B' });
    await heartbeat('silent', [OTHER], { tells: false });
    expect(await test.store.reviewSubscriptions()).toEqual([]);
    await vanish('a');
    expect(await test.store.reviewSubscriptions()).toEqual([]);
  });

  it('stay as they were found while no instance lives', async () => {
    await heartbeat('old', [TAG]);
    await heartbeat('new', [TAG, OTHER]);
    await publish(test, key(1));
    await test.store.reviewSubscriptions();
    await vanish('old');
    await vanish('new');
    expect(await test.store.reviewSubscriptions()).toEqual([]);
    expect(await heartbeat('next', [TAG, OTHER])).toMatchObject({ differing: [`${TOPIC}:${OTHER}`] });
    expect(await test.store.reviewSubscriptions()).toMatchObject([{ ...NOTHING, due: 1 }]);
  });

  describe('lack a tag that the group subscribes', () => {
    const untaken = [`${TOPIC}:${TAG}`];
    beforeEach(async () => {
      await heartbeat('old', [TAG, OTHER]);
      await publish(test, key(1));
      await vanish('old');
      await heartbeat('new', [OTHER]);
      expect(await test.store.reviewSubscriptions()).toEqual([{ consumerGroup: GROUP, differing: [], untaken, due: 0 }]);
      // It would look lost: the group has received what is younger on the topic.
      await test.sql('UPDATE message SET published_at = published_at - 300000, confirmed_at = confirmed_at - 300000');
      await receivesYounger(GROUP);
    });

    const receivesYounger = (group: string) =>
      test.sql(
        `INSERT INTO group_progress (group_id, topic_id, latest_published_at, updated_at)
         SELECT g.id, t.id, ${test.ctx.sql.now}, 1 FROM consumer_group g, topic t WHERE g.name = ?`,
        group,
      );

    const look = async () => {
      await allDue();
      return (await test.store.claimDueRedeliveries(10, newClaim())).items.map(({ messageKey }) => messageKey);
    };

    it('its messages are not sent in vain, and are named: on the copy, once in the timeline, and for attention', async () => {
      for (let looks = 0; looks < 3; looks++) expect(await look()).toEqual([]);
      expect(await rowOf(test, key(1))).toMatchObject({ state: 20, attention: 1, reason: 'TAG_NOT_TAKEN' });
      expect(await copiesOf(test, key(1))).toMatchObject([{ status: 10, dead: 0, reason: 'TAG_NOT_TAKEN' }]);
      expect(await eventsOf(test, key(1))).toEqual(['TAG_NOT_TAKEN']);
      expect((await test.store.listMessages({ filter: { attentionOnly: true }, pageSize: 10, after: undefined })).messages).toMatchObject([
        { messageKey: key(1), reason: 'TAG_NOT_TAKEN' },
      ]);
      expect(await heartbeat('new', [OTHER])).toEqual({ differing: [], untaken });
      expect(await inNeed()).toEqual([GROUP]);
      expect(await waitOf(key(1))).toBeGreaterThan(2 * DEFAULT_POLICIES.redeliver.maxWaitMs);
    });

    it('and it is taken again: they are sent, and need no attention any more', async () => {
      expect(await look()).toEqual([]);
      await heartbeat('next', [TAG, OTHER]);
      expect(await test.store.reviewSubscriptions()).toMatchObject([{ differing: untaken, untaken: [], due: 1 }]);
      expect(await rowOf(test, key(1))).toMatchObject({ state: 20, attention: null, reason: null });
      expect(await copiesOf(test, key(1))).toMatchObject([{ reason: null }]);
      expect((await test.store.claimDueRedeliveries(10, newClaim())).items.map(({ messageKey }) => messageKey)).toEqual([key(1)]);
    });

    it('and one is received all the same, or sent again by an operator: it needs no attention any more', async () => {
      expect(await look()).toEqual([]);
      await test.store.markDeliveries([received(key(1))]);
      expect(await rowOf(test, key(1))).toMatchObject({ state: 20, attention: null, reason: null });
      expect(await copiesOf(test, key(1))).toMatchObject([{ status: 20, reason: null }]);
      await test.store.resendMessage({ messageKey: key(1), consumerGroups: [], requestId: '', actor: 'op', comment: '' });
      expect(await look()).toEqual([key(1)]);
    });

    it('one group waits and another consumes: the message needs attention as long as one waits', async () => {
      const SECOND = 'CID_SECOND';
      await heartbeat('s-old', [TAG, OTHER], { group: SECOND });
      await publish(test, key(2));
      await vanish('s-old');
      await receivesYounger(SECOND);
      await heartbeat('s-new', [OTHER], { group: SECOND });
      await test.store.reviewSubscriptions();
      expect(await look()).toEqual([]);
      expect(await eventsOf(test, key(2))).toEqual(['TAG_NOT_TAKEN', 'TAG_NOT_TAKEN']);
      await test.store.markDeliveries([consumed(key(2), SECOND)]);
      expect(await rowOf(test, key(2))).toMatchObject({ state: 20, attention: 1, reason: 'TAG_NOT_TAKEN' });
      await test.store.markDeliveries([consumed(key(2))]);
      expect(await rowOf(test, key(2))).toMatchObject({ state: 30, attention: null, reason: null });
    });

    it('and the group is removed: its messages need no attention, and it has no fault when it comes again', async () => {
      expect(await look()).toEqual([]);
      await vanish('new');
      const act = { consumerGroup: GROUP, requestId: '', actor: 'op', comment: '', validateOnly: false, force: false };
      expect(await test.store.removeConsumerGroup(act)).toMatchObject({ skipped: 1 });
      expect(await rowOf(test, key(1))).toMatchObject({ state: 30, attention: null, reason: null });
      expect(await heartbeat('new', [OTHER])).toEqual(NOTHING);
    });
  });
});
