import { classifySqlError, inTransaction, run } from '@tpc/core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { StoreContext } from '../base/context.ts';
import { insertMessages, type NewMessage, prepareMessages } from '../producers/insert-messages.ts';
import { claimDueToPublish } from '../publishing/claim-due-to-publish.ts';
import type { Store } from '../store.ts';
import type { Mark } from '../store-types.ts';
import {
  consumed,
  copiesOf,
  failed,
  itemOf,
  letTimePass,
  newClaim,
  PRODUCER,
  prepare,
  publish,
  received,
  rowOf,
  STORE_ID,
  subscribe,
} from './fixtures.ts';
import { STORES, type TestStore } from './stores.ts';

const key = (n: number | string) => `${PRODUCER}:${n}`;
const keysFrom = (count: number) => Array.from({ length: count }, (_, n) => key(n));
const confirmItem = (messageKey: string) => ({ producerGroup: PRODUCER, messageKey });

/** Another order in each batch, as it is when callers gather. */
function shuffled<T>(items: readonly T[], seed: number): T[] {
  return items
    .map((item, place) => ({ item, rank: ((place + 1) * 7919 * (seed + 1)) % 1009 }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ item }) => item);
}

describe.each(STORES)('two replicas at the same moment, on %s', (_name, open) => {
  let test: TestStore;
  let replicas: Store[];
  beforeAll(async () => {
    test = await open();
  });
  afterAll(() => test.close());
  beforeEach(async () => {
    await test.reset();
    replicas = [test.store, test.replica, test.store, test.replica];
    await subscribe(test);
    await subscribe(test, 'CID_B');
  });

  it('save the same keys: each is stored once, and all get the same answer', async () => {
    const keys = keysFrom(30);
    const answers = await Promise.all(replicas.map((store, seed) => store.saveMessages(shuffled(keys, seed).map((one) => itemOf(one)))));
    for (const answer of answers) expect(answer).toEqual(keys.map(() => ({ state: 10 })));
    expect(await test.sql('SELECT COUNT(*) AS n FROM message')).toEqual([{ n: 30 }]);
  });

  it('confirm the same keys: one of them gets each to publish, and its copies are made once', async () => {
    const keys = keysFrom(30);
    await prepare(test, ...keys);
    const outcomes = await Promise.all(replicas.map((store, seed) => store.confirmMessages(shuffled(keys, seed).map(confirmItem), newClaim())));
    for (const outcome of outcomes) expect(outcome.results).toEqual(keys.map(() => ({ state: 20 })));
    const toPublish = outcomes.flatMap((outcome) => outcome.publish.map((item) => item.messageKey));
    expect(toPublish.sort()).toEqual([...keys].sort());
    for (const messageKey of keys) expect((await rowOf(test, messageKey)).open_groups).toBe(2);
  });

  it('save and send the same keys: each is published by one', async () => {
    const keys = keysFrom(20);
    const items = keys.map((messageKey) => ({ ...itemOf(messageKey), committed: true }));
    const outcomes = await Promise.all(replicas.map((store, seed) => store.saveAndSendMessages(shuffled(items, seed), newClaim())));
    for (const outcome of outcomes) for (const result of outcome.results) expect(result).toMatchObject({ state: 20, reason: '' });
    const toPublish = outcomes.flatMap((outcome) => outcome.publish.map((item) => item.messageKey));
    expect(toPublish.sort()).toEqual([...keys].sort());
  });

  it('a claim and a resend: what was claimed goes out under the generation that it was claimed with', async () => {
    const messageKey = key(1);
    await prepare(test, messageKey);
    await test.store.confirmMessages([confirmItem(messageKey)], newClaim());
    await test.store.markDeliveries([consumed(messageKey)]);
    await letTimePass(test);
    // The resend comes between the claim and the look at the contents.
    let steps = 0;
    const ctx: StoreContext = {
      ...test.ctx,
      retry: async (work) => {
        const done = await test.ctx.retry(work);
        steps += 1;
        if (steps === 2) await test.replica.resendMessage({ messageKey, consumerGroups: ['CID_OPC'], requestId: '', actor: 'o', comment: '' });
        return done;
      },
    };
    expect(await claimDueToPublish(ctx, 10, newClaim())).toMatchObject([{ messageKey, generation: 1 }]);
    expect((await rowOf(test, messageKey)).generation).toBe(2);
  });

  it('a confirm and a delete of one key: one of them wins, and the confirm never loses for good', async () => {
    const keys = keysFrom(20);
    await prepare(test, ...keys);
    const [confirmedNow, deleted] = await Promise.all([
      test.store.confirmMessages(keys.map(confirmItem), newClaim()),
      test.replica.deleteMessages(keys.map(confirmItem)),
    ]);
    expect(confirmedNow.results).toEqual(keys.map(() => ({ state: 20 })));
    for (const result of deleted)
      expect('refused' in result ? result.refused : result.state).toSatisfy((value) => value === 'ALREADY_SENDING' || value === 40);
    for (const messageKey of keys) expect((await rowOf(test, messageKey)).state).toBe(20);
  });

  it('settle the last two groups of the same messages: each message ends, and nothing is counted twice', async () => {
    const keys = keysFrom(40);
    await publish(test, ...keys);
    const reports: Mark[][] = [
      keys.map((messageKey) => received(messageKey)),
      keys.map((messageKey) => consumed(messageKey)),
      keys.map((messageKey) => consumed(messageKey, 'CID_B')),
      keys.map((messageKey) => consumed(messageKey)),
    ];
    const answers = await Promise.all(reports.map((marks, n) => (replicas[n] as Store).markDeliveries(shuffled(marks, n))));
    for (const answer of answers) expect(answer).toEqual(keys.map(() => ({ tracked: true })));
    for (const messageKey of keys) expect(await rowOf(test, messageKey)).toMatchObject({ state: 30, open_groups: 0, lane: null });
    for (const messageKey of keys) for (const copy of await copiesOf(test, messageKey)) expect(copy.consume_count).toBe(1);
  });

  it('one group fails and the other consumes: the message is DEAD, whoever was last', async () => {
    const keys = keysFrom(20);
    await publish(test, ...keys);
    await Promise.all([
      test.store.markDeliveries(shuffled(keys, 1).map((messageKey) => failed(messageKey))),
      test.replica.markDeliveries(shuffled(keys, 2).map((messageKey) => consumed(messageKey, 'CID_B'))),
    ]);
    for (const messageKey of keys) expect(await rowOf(test, messageKey)).toMatchObject({ state: 50, open_groups: 0, dead_groups: 1 });
  });

  it('claim due messages: each is claimed by one', async () => {
    const keys = keysFrom(40);
    await test.store.saveAndSendMessages(
      keys.map((messageKey) => ({ ...itemOf(messageKey), committed: true })),
      newClaim(),
    );
    await letTimePass(test);
    const claims = await Promise.all(replicas.map((store) => store.claimDueToPublish(40, newClaim())));
    const claimed = claims.flat().map((item) => item.messageKey);
    expect(new Set(claimed).size).toBe(claimed.length);
    expect(claimed).toHaveLength(40);
  });

  it('claim uncertain messages: each is asked for by one', async () => {
    const keys = keysFrom(40);
    await prepare(test, ...keys);
    await letTimePass(test);
    const owner = { producerGroup: PRODUCER, storeId: STORE_ID };
    const claims = await Promise.all(replicas.map((store) => store.claimUncertain(owner, 40)));
    const claimed = claims.flat().map((message) => message.messageKey);
    expect(new Set(claimed).size).toBe(claimed.length);
    expect(claimed).toHaveLength(40);
  });

  it('everything at once on the same messages: no error reaches a caller, and all end well', async () => {
    const keys = keysFrom(25);
    const work = async (store: Store, seed: number) => {
      const mine = shuffled(keys, seed);
      await store.saveMessages(mine.map((one) => itemOf(one)));
      const claim = newClaim();
      const { publish: items } = await store.confirmMessages(mine.map(confirmItem), claim);
      await store.recordPublishResults(
        claim.token,
        items.map(({ messageId }) => ({ messageId, outcome: 'published' as const, attempts: 0 })),
      );
      await store.markDeliveries(mine.flatMap((one) => [received(one), received(one, 'CID_B')]));
      await test.sql('UPDATE confirm SET due_at = 1 WHERE due_at IS NOT NULL');
      await store.claimDueRedeliveries(50, newClaim());
      await store.claimDueToPublish(50, newClaim());
      await store.markDeliveries(shuffled(mine, seed + 1).flatMap((one) => [consumed(one), consumed(one, 'CID_B')]));
      await store.deleteMessages(mine.map(confirmItem));
    };
    await Promise.all(replicas.map(work));
    for (const messageKey of keys)
      expect(await rowOf(test, messageKey)).toMatchObject({ state: 30, open_groups: 0, dead_groups: 0, lane: null, due_at: null });
  });
});

describe('a lock that another holds, on MariaDB', () => {
  let test: TestStore;
  beforeAll(async () => {
    test = await (STORES[1] as (typeof STORES)[number])[1]();
  });
  afterAll(() => test.close());
  beforeEach(() => test.reset());

  it('on one message does not keep the other messages of a batch waiting', async () => {
    await subscribe(test);
    await prepare(test, key(1), key(2));
    const holder = await test.knex.transaction();
    await run(holder, 'SELECT id FROM message WHERE message_key = ? FOR UPDATE', [key(1)]);
    const confirming = test.replica.confirmMessages([key(1), key(2)].map(confirmItem), newClaim());
    await expect.poll(async () => (await rowOf(test, key(2))).state, { timeout: 5_000 }).toBe(20);
    expect((await rowOf(test, key(1))).state).toBe(10);
    await holder.rollback();
    expect((await confirming).results).toEqual([{ state: 20 }, { state: 20 }]);
  });

  it('for longer than the lock wait is waited for again', async () => {
    await subscribe(test);
    await prepare(test, key(1));
    const holder = await test.knex.transaction();
    await run(holder, 'SELECT id FROM message WHERE message_key = ? FOR UPDATE', [key(1)]);
    const timedOut = inTransaction(test.knex, (tx) => run(tx, 'SELECT id FROM message WHERE message_key = ? FOR UPDATE', [key(1)]));
    const confirming = test.replica.confirmMessages([confirmItem(key(1))], newClaim());
    await expect(timedOut.catch((error: unknown) => classifySqlError(error))).resolves.toBe('locked');
    await holder.rollback();
    expect((await confirming).results).toEqual([{ state: 20 }]);
  });

  it('that is never given up (a replica froze) fails the calls for its message alone; the others are done, and published', async () => {
    await subscribe(test);
    await publish(test, key(3), key(4));
    await prepare(test, key(1), key(2));
    const holder = await test.knex.transaction();
    await run(holder, 'SELECT id FROM message WHERE message_key IN (?, ?) FOR UPDATE', [key(1), key(3)]);
    const busy = expect.objectContaining({ refused: 'STORE_UNAVAILABLE' });
    const [confirmedNow, marked] = await Promise.all([
      test.replica.confirmMessages([key(1), key(2)].map(confirmItem), newClaim()),
      test.replica.markDeliveries([consumed(key(3)), consumed(key(4))]),
    ]);
    await holder.rollback();
    expect(confirmedNow.results).toEqual([busy, { state: 20 }]);
    expect(confirmedNow.publish.map((item) => item.messageKey)).toEqual([key(2)]);
    expect(marked).toEqual([busy, { tracked: true }]);
    expect([(await rowOf(test, key(1))).state, (await rowOf(test, key(4))).state]).toEqual([10, 30]);
  });

  it('that is never given up fails a save-and-send of its message alone', async () => {
    await subscribe(test);
    await prepare(test, key(1), key(2));
    const holder = await test.knex.transaction();
    await run(holder, 'SELECT id FROM message WHERE message_key = ? FOR UPDATE', [key(1)]);
    const committed = [key(1), key(2), key(3)].map((messageKey) => ({ ...itemOf(messageKey), committed: true }));
    const outcome = await test.replica.saveAndSendMessages(committed, newClaim());
    expect(outcome.results).toMatchObject([{ refused: 'STORE_UNAVAILABLE' }, { state: 20 }, { state: 20 }]);
    expect(outcome.publish.map((item) => item.messageKey).sort()).toEqual([key(2), key(3)]);
    await holder.rollback();
    expect((await test.replica.saveAndSendMessages(committed, newClaim())).results).toMatchObject([{ state: 20 }, { state: 20 }, { state: 20 }]);
  });

  it('on a key that is being inserted is not waited for without end', async () => {
    await subscribe(test);
    await prepare(test, key('names'));
    const holder = await test.knex.transaction();
    await insertMessages(holder, test.ctx, (await prepareMessages(test.ctx, [itemOf(key(1))])) as NewMessage[], 'prepared');
    const committed = [{ ...itemOf(key(1)), committed: true }];
    expect((await test.replica.saveAndSendMessages(committed, newClaim())).results).toMatchObject([{ refused: 'STORE_UNAVAILABLE' }]);
    await holder.rollback();
    expect((await test.replica.saveAndSendMessages(committed, newClaim())).results).toMatchObject([{ state: 20 }]);
  });

  it('never keeps a claimer waiting: it takes the others', async () => {
    await subscribe(test);
    await publish(test, key(1), key(2));
    await test.sql('UPDATE confirm SET urgent = 1');
    await letTimePass(test);
    const holder = await test.knex.transaction();
    await run(holder, 'SELECT message_id FROM confirm WHERE message_id = (SELECT id FROM message WHERE message_key = ?) FOR UPDATE', [key(1)]);
    const { items } = await test.replica.claimDueRedeliveries(10, newClaim());
    expect(items.map((item) => item.messageKey)).toEqual([key(2)]);
    await holder.rollback();
  });
});
