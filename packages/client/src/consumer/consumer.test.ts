import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../../../test/support/until.ts';
import { GROUP, TestBed, TOPIC, takeEffect } from '../../test/consumer-kit.ts';
import { STORES } from '../../test/stores.ts';
import { BadMessageError } from './errors.ts';
import type { ConsumedMessage } from './types.ts';

describe.each(STORES)('consumer on %s', (_name, makeStore) => {
  let bed: TestBed;
  beforeEach(async () => {
    bed = await TestBed.open(makeStore);
  });
  afterEach(() => bed.close());

  const consumed =
    (key: string, generation = 1) =>
    async () =>
      (await bed.inbox(key, generation))?.state === 30;

  it('stores, acknowledges, handles and reports a message with all that travels with it', async () => {
    const seen: ConsumedMessage[] = [];
    await bed.run({
      handle: async (tx, message) => {
        seen.push(message);
        await takeEffect(tx, message);
      },
    });
    bed.broker.deliver({
      messageKey: 'k1',
      topic: TOPIC,
      tag: 'ACTIVATE',
      body: '{"to":"a"}',
      contentType: 'application/json',
      headers: { lang: 'zh' },
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    });
    await until(() => bed.heard('consumed').length > 0);
    expect(seen[0]).toMatchObject({
      messageKey: 'k1',
      generation: 1,
      producerGroup: 'PID_TEST',
      topic: TOPIC,
      tag: 'ACTIVATE',
      contentType: 'application/json',
      headers: { lang: 'zh' },
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      attempt: 1,
    });
    expect(seen[0]?.json()).toEqual({ to: 'a' });
    expect(await bed.took('k1')).toBe(1);
    expect(bed.heard('consumed')).toEqual([{ messageKey: 'k1', generation: 1 }]);
    expect(bed.broker.unacknowledged(GROUP)).toBe(0);
    await until(async () => (await bed.inbox('k1'))?.report_due_at === null);
    expect(await bed.inbox('k1')).toMatchObject({ state: 30, claim: null, due_at: null, reported_kind: 2 });
  });

  it('takes effect once when a message is delivered ten times to two instances at once', async () => {
    const handler = (by: string) => ({ handle: (tx: Parameters<typeof takeEffect>[0], message: ConsumedMessage) => takeEffect(tx, message, by) });
    await bed.run(handler('one'));
    await bed.run(handler('two'), { knex: bed.store.second() });
    for (let delivery = 0; delivery < 10; delivery++) {
      bed.broker.deliver(...Array.from({ length: 20 }, (_, n) => ({ messageKey: `k${n}`, topic: TOPIC, body: 'x' })));
    }
    await until(() => bed.broker.unacknowledged(GROUP) === 0);
    for (let n = 0; n < 20; n++) {
      await until(consumed(`k${n}`));
      expect(await bed.took(`k${n}`)).toBe(1);
    }
  });

  it('handles many messages in one transaction, and a bad one of them alone', async () => {
    const batches: number[] = [];
    const handler = {
      maxBatch: 16,
      handleBatch: async (tx: Parameters<typeof takeEffect>[0], messages: readonly ConsumedMessage[]) => {
        batches.push(messages.length);
        for (const message of messages) {
          await takeEffect(tx, message);
          if (message.text() === 'bad') throw new BadMessageError('no address');
        }
      },
    };
    await bed.run(handler, { concurrency: 1 });
    bed.broker.deliver(...Array.from({ length: 16 }, (_, n) => ({ messageKey: `b${n}`, topic: TOPIC, body: n === 7 ? 'bad' : 'good' })));
    await until(async () => (await bed.inbox('b7'))?.state === 50);
    for (const n of [0, 6, 8, 15]) await until(consumed(`b${n}`));
    expect(Math.max(...batches)).toBeGreaterThan(1);
    expect(await bed.took('b7')).toBe(0);
    expect(await bed.took('b8')).toBe(1);
    expect(await bed.inbox('b8')).toMatchObject({ attempts: 1 });
  });

  it('does not try a bad message again, and reports it', async () => {
    let tries = 0;
    await bed.run({
      handle: async () => {
        tries++;
        throw new BadMessageError('the address is missing', 'NO_ADDRESS');
      },
    });
    bed.broker.deliver({ messageKey: 'bad', topic: TOPIC, body: '{}' });
    await until(() => bed.heard('failed').length > 0);
    expect(bed.heard('failed')).toEqual([{ messageKey: 'bad', generation: 1, reason: 'NO_ADDRESS', detail: 'the address is missing' }]);
    expect(tries).toBe(1);
    expect(await bed.inbox('bad')).toMatchObject({ state: 50, reason: 'NO_ADDRESS', due_at: null });
  });

  it('tries again by its policy and gives up with the last error when the tries are used up', async () => {
    const attempts: number[] = [];
    await bed.run({
      handle: async (_tx, message) => {
        attempts.push(message.attempt);
        if (message.messageKey === 'late' && message.attempt === 3) return;
        throw new Error('SMTP said no to a@b.example');
      },
    });
    bed.broker.deliver({ messageKey: 'late', topic: TOPIC, body: 'x' }, { messageKey: 'never', topic: TOPIC, body: 'x' });
    await until(() => bed.heard('failed').length > 0);
    await until(consumed('late'));
    expect(attempts.sort()).toEqual([1, 1, 2, 2, 3, 3]);
    expect(bed.heard('failed')).toEqual([{ messageKey: 'never', generation: 1, reason: 'RETRIES_EXHAUSTED', detail: 'SMTP said no to <address>' }]);
  });

  it('waits as the policy says before it tries again', async () => {
    await bed.run(
      { handle: () => Promise.reject(new Error('no')) },
      { retry: { firstWaitMs: 3_600_000, factor: 1, maxWaitMs: 3_600_000, jitter: 0, maxAttempts: 5 } },
    );
    bed.broker.deliver({ messageKey: 'r', topic: TOPIC, body: 'x' });
    await until(async () => Number((await bed.inbox('r'))?.attempts) === 1);
    const row = await bed.inbox('r');
    expect(row).toMatchObject({ state: 10, claim: null, last_error: 'no' });
    expect(Number(row?.due_at) - Number(row?.received_at)).toBeGreaterThanOrEqual(3_600_000);
  });

  it('stores what is too large or does not fit as a dead tombstone, and handles its neighbours', async () => {
    await bed.run({ handle: takeEffect }, { maxBodyBytes: 100 });
    bed.broker.deliver(
      { messageKey: 'large', topic: TOPIC, body: 'x'.repeat(101) },
      { messageKey: 'odd', topic: TOPIC, body: 'x', contentType: 'é'.repeat(10) },
      { messageKey: 'fine', topic: TOPIC, body: 'x'.repeat(100) },
    );
    await until(() => bed.heard('failed').length === 2);
    await until(consumed('fine'));
    expect(bed.heard('failed').map(({ messageKey, reason }) => [messageKey, reason])).toEqual([
      ['large', 'TOO_LARGE'],
      ['odd', 'UNSTORABLE'],
    ]);
    expect(await bed.inbox('large')).toMatchObject({ state: 50, body: null, topic: TOPIC });
    expect(bed.broker.unacknowledged(GROUP)).toBe(0);
  });

  it('drops what is not from TPC and what another group is meant to have', async () => {
    const consumer = await bed.run({ handle: takeEffect });
    bed.broker.publish({ topic: TOPIC, properties: { hello: 'world' }, body: 'x' });
    bed.broker.deliver(
      { messageKey: 'theirs', topic: TOPIC, body: 'x', onlyGroup: 'CID_OTHER' },
      { messageKey: 'ours', topic: TOPIC, body: 'x', onlyGroup: GROUP },
    );
    await until(consumed('ours'));
    expect(await bed.inbox('theirs')).toBeUndefined();
    expect(consumer.state().counters).toMatchObject({ dropped: 2, stored: 1 });
  });

  it('handles a new generation once more and drops an older one', async () => {
    const consumer = await bed.run({ handle: takeEffect });
    bed.broker.deliver({ messageKey: 'g', topic: TOPIC, body: 'x', generation: 2 });
    await until(consumed('g', 2));
    bed.broker.deliver({ messageKey: 'g', topic: TOPIC, body: 'x', generation: 1 });
    await until(() => consumer.state().counters.older === 1);
    bed.broker.deliver({ messageKey: 'g', topic: TOPIC, body: 'x', generation: 3 });
    await until(consumed('g', 3));
    expect(await bed.took('g')).toBe(2);
    await until(() => bed.heard('consumed').length === 2);
    expect(bed.heard('consumed').map((report) => report.generation)).toEqual([2, 3]);
    expect(bed.heard('received').some((report) => report.generation === 1)).toBe(false);
  });

  it('ends an older generation that still waits for its retry when a newer one has come, without a report', async () => {
    const handled: number[] = [];
    const consumer = await bed.run(
      {
        handle: async (_tx, message) => {
          handled.push(message.generation);
          if (message.generation === 1) throw new Error('not yet');
        },
      },
      { retry: { firstWaitMs: 3_600_000, factor: 1, maxWaitMs: 3_600_000, jitter: 0, maxAttempts: 9 } },
    );
    bed.broker.deliver({ messageKey: 'o', topic: TOPIC, body: 'x', generation: 1 });
    await until(() => consumer.state().counters.retried === 1);
    bed.broker.deliver({ messageKey: 'o', topic: TOPIC, body: 'x', generation: 2 });
    await until(consumed('o', 2));
    await bed.store.knex('tpc_inbox').where({ message_key: 'o', generation: 1 }).update({ due_at: 0 });
    await until(async () => (await bed.inbox('o', 1))?.state === 50);
    expect(await bed.inbox('o', 1)).toMatchObject({ reason: 'SUPERSEDED', report_due_at: null });
    expect(handled).toEqual([1, 2]);
    expect(bed.heard('failed')).toEqual([]);
  });

  it('reports a message that comes again in the state that it has, though TPC acknowledged it before', async () => {
    const handle = async (_tx: unknown, { messageKey }: { messageKey: string }) => {
      if (messageKey === 'dead') throw new BadMessageError('no');
    };
    // No report is repeated by itself, however slow the database is to note TPC's answer.
    await bed.run({ handle }, { reportRepeatMs: 60_000 });
    const both = [
      { messageKey: 'done', topic: TOPIC, body: 'x' },
      { messageKey: 'dead', topic: TOPIC, body: 'x' },
    ];
    bed.broker.deliver(...both);
    // A receive that is acknowledged before the handler ends looks alike in the rows.
    await until(() => bed.heard('consumed').length === 1 && bed.heard('failed').length === 1);
    await until(async () => (await bed.inbox('done'))?.report_due_at === null && (await bed.inbox('dead'))?.report_due_at === null);
    bed.broker.deliver(...both);
    await until(() => bed.heard('consumed').length === 2 && bed.heard('failed').length === 2);
    expect(bed.heard('failed')[1]).toEqual({ messageKey: 'dead', generation: 1, reason: 'BAD_MESSAGE', detail: 'no' });
  });

  it('lists the inbox newest first, page by page, and shows one message', async () => {
    await bed.run({ handle: takeEffect });
    for (let n = 0; n < 5; n++) bed.broker.deliver({ messageKey: `l${n}`, topic: TOPIC, tag: n === 0 ? 'A' : 'B', body: 'x' });
    for (let n = 0; n < 5; n++) await until(consumed(`l${n}`));
    const { listInbox } = await import('./inbox/list-inbox.ts');
    const { getInbox } = await import('./inbox/read-inbox.ts');
    const pages: string[] = [];
    let after: Awaited<ReturnType<typeof listInbox>>['next'];
    do {
      const page = await listInbox(bed.store.knex, { group: GROUP, limit: 2, after });
      pages.push(...page.entries.map((entry) => entry.messageKey));
      after = page.next;
    } while (after !== undefined);
    expect([...pages].sort()).toEqual(['l0', 'l1', 'l2', 'l3', 'l4']);
    const listed = async (filter: object) =>
      (await listInbox(bed.store.knex, { group: GROUP, limit: 9, ...filter })).entries.map((entry) => entry.messageKey);
    expect(await listed({ tag: 'A', states: [30] })).toEqual(['l0']);
    expect(await listed({ states: [50] })).toEqual([]);
    expect(await getInbox(bed.store.knex, { group: GROUP, messageKey: 'l3' })).toMatchObject({ state: 30, attempts: 1, effects: [] });
    expect(await getInbox(bed.store.knex, { group: GROUP, messageKey: 'none' })).toBeUndefined();
  });
});
