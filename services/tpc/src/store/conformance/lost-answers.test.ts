import type { Knex } from 'knex';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createStore, DEFAULT_POLICIES } from '../create-store.ts';
import type { Store } from '../store.ts';
import { aroundStatements } from './around-statements.ts';
import {
  consumed,
  copiesOf,
  eventsOf,
  failed,
  GROUP,
  itemOf,
  newClaim,
  PRODUCER,
  prepare,
  publish,
  rowOf,
  STORE_ID,
  startSending,
  subscribe,
} from './fixtures.ts';
import { STORES, type TestStore } from './stores.ts';

const key = (n: number | string) => `${PRODUCER}:${n}`;
const named = { producerGroup: PRODUCER, messageKey: key(1) };

/** A database whose first write is done, but whose answer to it is lost: the connection dies in between. */
function losesFirstAnswer(knex: Knex): { knex: Knex; lost: () => boolean } {
  let lost = false;
  const lose = async <T>(work: Promise<T>): Promise<T> => {
    const answer = await work;
    if (lost) return answer;
    lost = true;
    throw Object.assign(new Error('connection lost'), { code: 'PROTOCOL_CONNECTION_LOST' });
  };
  const writes = knex.client.driverName === 'mysql2' ? /^\s*(INSERT|UPDATE)/ : /^\s*(INSERT|UPDATE|COMMIT)/;
  return { knex: aroundStatements(knex, (sql, work) => (writes.test(sql) ? lose(work()) : work())), lost: () => lost };
}

describe.each(STORES)('a write whose answer is lost is run again and done once, on %s', (_name, open) => {
  let test: TestStore;
  let store: Store;
  let lost: () => boolean;
  beforeAll(async () => {
    test = await open();
  });
  afterAll(() => test.close());
  beforeEach(async () => {
    await test.reset();
    await subscribe(test);
    // Names are known already, so that the first write is the one that the test is about.
    await prepare(test, key('names'));
    const losing = losesFirstAnswer(test.knex);
    lost = losing.lost;
    store = createStore(losing.knex, { policies: DEFAULT_POLICIES, random: () => 0.5 });
  });

  it('a save', async () => {
    expect(await store.saveMessages([itemOf(key(1)), itemOf(key(2))])).toEqual([{ state: 10 }, { state: 10 }]);
    expect(lost()).toBe(true);
    expect(await test.sql('SELECT COUNT(*) AS n FROM message')).toEqual([{ n: 3 }]);
  });

  it('a confirm: the caller gets what it has claimed', async () => {
    await prepare(test, key(1));
    const outcome = await store.confirmMessages([named], newClaim());
    expect(outcome).toMatchObject({ results: [{ state: 20 }], publish: [{ messageKey: key(1) }] });
    expect(lost()).toBe(true);
    expect(await copiesOf(test, key(1))).toHaveLength(1);
  });

  it('a save-and-send: the caller gets what it has claimed', async () => {
    const outcome = await store.saveAndSendMessages([{ ...itemOf(key(1)), committed: true }], newClaim());
    expect(outcome).toMatchObject({ results: [{ state: 20, storedKey: key(1) }], publish: [{ messageKey: key(1) }] });
    expect(lost()).toBe(true);
    expect(await copiesOf(test, key(1))).toHaveLength(1);
  });

  it('a delete and a verdict', async () => {
    await prepare(test, key(1), key(2));
    expect(await store.deleteMessages([named])).toEqual([{ state: 40 }]);
    const verdict = { producerGroup: PRODUCER, storeId: STORE_ID, messageKey: key(2), verdict: 1 as const };
    expect(await store.applyVerdicts([verdict], newClaim())).toMatchObject({ results: [{ state: 20 }] });
    expect(lost()).toBe(true);
  });

  it('a publish result', async () => {
    const claim = newClaim();
    const [item] = await startSending(test, claim, key(1));
    await store.recordPublishResults(claim.token, [{ messageId: item?.messageId as number, outcome: 'published', attempts: 0 }]);
    expect(lost()).toBe(true);
    expect(await rowOf(test, key(1))).toMatchObject({ publishes: 1, claim: null, due_at: expect.any(Number) });
  });

  it('consumers’ reports: nothing is counted twice', async () => {
    await subscribe(test, 'CID_B');
    await publish(test, key(1));
    expect(await store.markDeliveries([consumed(key(1)), failed(key(1), 'CID_B')])).toEqual([{ tracked: true }, { tracked: true }]);
    expect(lost()).toBe(true);
    expect(await rowOf(test, key(1))).toMatchObject({ state: 50, open_groups: 0, dead_groups: 1 });
    expect(await eventsOf(test, key(1))).toEqual(['FAILED']);
  });

  it('a resend without a request id', async () => {
    await publish(test, key(1));
    await test.store.markDeliveries([failed(key(1))]);
    const result = await store.resendMessage({ messageKey: key(1), consumerGroups: [], requestId: '', actor: 'op', comment: '' });
    expect(result).toMatchObject({ consumerGroups: [GROUP], message: { generation: 2 } });
    expect(lost()).toBe(true);
    expect(await eventsOf(test, key(1))).toEqual(['FAILED', 'RESENT']);
  });

  it('a registration', async () => {
    const registration = {
      consumerGroup: 'CID_NEW',
      storeId: 's',
      instanceId: 'i',
      subscriptions: [{ topic: 'T', tags: [] }],
      host: 'h',
      idle: false,
    };
    await test.ctx.names.consumerGroup('CID_NEW');
    await test.ctx.names.topic('T');
    expect(await store.registerConsumer(registration)).not.toHaveProperty('refused');
    expect(lost()).toBe(true);
    expect(await test.store.registerConsumer(registration)).toMatchObject({ added: 0 });
  });
});
