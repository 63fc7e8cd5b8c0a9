import { lend } from '@tpc/core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createStore, createStoreContext } from '../create-store.ts';
import { saveAndSendMessages } from '../producers/save-and-send-messages.ts';
import { aroundStatements } from './around-statements.ts';
import { copiesOf, eventsOf, GROUP, itemOf, letTimePass, newClaim, PRODUCER, prepare, rowOf, STORE_ID, subscribe } from './fixtures.ts';
import { STORES, type TestStore } from './stores.ts';

const key = (n: number | string) => `${PRODUCER}:${n}`;
const committed = (messageKey: string, changed: Parameters<typeof itemOf>[1] = {}) => ({ ...itemOf(messageKey, changed), committed: true });

describe.each(STORES)('copies of messages that are no longer there, on %s', (name, open) => {
  let test: TestStore;
  beforeAll(async () => {
    test = await open();
  });
  afterAll(() => test.close());
  beforeEach(async () => {
    await test.reset();
    await subscribe(test);
    await prepare(test, key('first'));
  });

  /** Copies as a restore of one table leaves them, at the ids that the next messages get. */
  async function leaveStrays(count: number): Promise<void> {
    const first = (await rowOf(test, key('first'))).id + 1;
    const [group] = await test.sql<{ id: number }>('SELECT id FROM consumer_group WHERE name = ?', GROUP);
    for (let id = first; id < first + count; id++)
      await test.sql('INSERT INTO confirm (message_id, group_id, status) VALUES (?, ?, 30)', id, group?.id as number);
  }

  it('set the message aside that gets their id, with a reason and attention; a resend delivers it to every group', async () => {
    await leaveStrays(40);
    const outcome = await test.store.saveAndSendMessages([committed(key(1))], newClaim());
    expect(outcome).toMatchObject({ results: [{ state: 50, reason: 'STRAY_COPIES', storedKey: key(1) }], publish: [] });
    expect(await rowOf(test, key(1))).toMatchObject({ state: 50, attention: 1, reason: 'STRAY_COPIES', lane: null });
    expect(await copiesOf(test, key(1))).toEqual([]);
    expect(await eventsOf(test, key(1))).toEqual(['STRAY_COPIES']);
    const resent = await test.store.resendMessage({ messageKey: key(1), consumerGroups: [], requestId: '', actor: 'o', comment: '' });
    expect(resent).toMatchObject({ message: { state: 20, attention: false }, consumerGroups: [GROUP] });
    expect((await test.store.claimDueRedeliveries(10, newClaim())).items).toMatchObject([{ messageKey: key(1), consumerGroup: GROUP }]);
  });

  it('do not stop the other messages of the batch, nor other calls', async () => {
    await leaveStrays(2);
    const keys = [1, 2, 3, 4, 5, 6].map(key);
    const others = ['a', 'b'].map((name) => committed(`PID_OTHER:${name}`, { producerGroup: 'PID_OTHER' }));
    const [mine, theirs] = await Promise.all([
      test.store.saveAndSendMessages(
        keys.map((one) => committed(one)),
        newClaim(),
      ),
      test.replica.saveAndSendMessages(others, newClaim()),
    ]);
    const all = [...mine.results, ...theirs.results];
    expect(all.filter((result) => 'state' in result && result.state === 50).length).toBeLessThanOrEqual(2);
    expect(all.filter((result) => 'state' in result && result.state === 20).length).toBeGreaterThanOrEqual(6);
    expect(mine.publish.length + theirs.publish.length).toBe(all.filter((result) => 'state' in result && result.state === 20).length);
    const again = await test.store.saveAndSendMessages([committed(key('later'))], newClaim());
    expect(again.results).toMatchObject([{ state: 20 }]);
  });

  it('do not stop a confirm or a verdict', async () => {
    await leaveStrays(1);
    await prepare(test, key(1), key(2), key(3));
    const outcome = await test.store.confirmMessages(
      [1, 2].map((n) => ({ producerGroup: PRODUCER, messageKey: key(n) })),
      newClaim(),
    );
    expect(outcome).toMatchObject({ results: [{ state: 50 }, { state: 20 }], publish: [{ messageKey: key(2) }] });
    expect(await rowOf(test, key(1))).toMatchObject({ state: 50, attention: 1, reason: 'STRAY_COPIES' });
    const [group] = await test.sql<{ id: number }>('SELECT id FROM consumer_group WHERE name = ?', GROUP);
    await test.sql('INSERT INTO confirm (message_id, group_id, status) VALUES (?, ?, 10)', (await rowOf(test, key('first'))).id, group?.id as number);
    const verdict = (messageKey: string) => ({ producerGroup: PRODUCER, storeId: STORE_ID, messageKey, verdict: 1 as const });
    const verdicts = await test.store.applyVerdicts([verdict(key('first')), verdict(key(3))], newClaim());
    expect(verdicts.results).toEqual([{ state: 50 }, { state: 20 }]);
  });

  it('do not stop messages that waited for a subscriber', async () => {
    const tag = 'NOBODY_YET';
    const parked = [1, 2, 3].map((n) => committed(key(n), { tag }));
    await test.store.saveAndSendMessages(parked, newClaim());
    await subscribe(test, GROUP, 'SEND_EMAIL_TOPIC', [tag]);
    await letTimePass(test);
    const [group] = await test.sql<{ id: number }>('SELECT id FROM consumer_group WHERE name = ?', GROUP);
    const [row] = await test.sql<{ id: number }>('SELECT id FROM message WHERE message_key = ?', key(2));
    await test.sql('INSERT INTO confirm (message_id, group_id, status) VALUES (?, ?, 30)', row?.id as number, group?.id as number);
    expect(await test.store.resumeUnsubscribed(10)).toBe(2);
    expect(await rowOf(test, key(2))).toMatchObject({ state: 50, attention: 1, reason: 'STRAY_COPIES', lane: null });
    expect(await rowOf(test, key(3))).toMatchObject({ state: 20 });
  });

  it('a key that is always taken and never there ends after a few tries, and is asked for again', async () => {
    let inserts = 0;
    const taken = aroundStatements(test.knex, (sql, work) => {
      if (!sql.includes('INSERT INTO message ')) return work();
      inserts += 1;
      throw Object.assign(new Error("Duplicate entry 'k' for key 'message_key'"), { errno: 1062 });
    });
    const store = createStore(taken);
    const before = await store.saveMessages([itemOf(key('first'))]);
    expect(before).toEqual([{ state: 10 }]);
    expect(await store.saveMessages([itemOf(key(1))])).toMatchObject([{ refused: 'STORE_UNAVAILABLE' }]);
    expect(inserts).toBeLessThan(12);
  });

  // On MariaDB its inserts are those of the test above.
  it.runIf(name === 'SQLite')('a save-and-send whose key is always taken ends too, at the latest when nobody waits any more', async () => {
    const query = (connection: unknown, statement: { sql: string }) =>
      statement.sql.includes('INSERT INTO message ')
        ? Promise.reject(Object.assign(new Error('UNIQUE constraint failed: message.message_key'), { code: 'SQLITE_CONSTRAINT_UNIQUE' }))
        : test.knex.client.query(connection, statement);
    const client = lend(test.knex.client, { query });
    const taken = new Proxy(test.knex, { get: (target, property) => (property === 'client' ? client : Reflect.get(target, property)) });
    const ctx = { ...createStoreContext(test.knex), knex: taken };
    const outcome = await saveAndSendMessages(ctx, [committed(key(1))], newClaim());
    expect(outcome.results).toMatchObject([{ refused: 'STORE_UNAVAILABLE' }]);
    expect((await saveAndSendMessages(ctx, [committed(key(1))], newClaim(), performance.now() - 1)).results).toMatchObject([
      { refused: 'STORE_UNAVAILABLE' },
    ]);
  });
});
