import { migrate } from '@tpc/core';
import { openDatabase } from '@tpc/platform';
import type { Knex } from 'knex';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createTestDatabase, type MariaDb, startMariaDb } from '../../../../../test/support/mariadb.ts';
import { createTcpProxy, type TcpProxy } from '../../../test/tcp-proxy.ts';
import { STEPS } from '../migrations/index.ts';
import { consumed, itemOf, newClaim, PRODUCER, STORE_ID, subscribe } from './fixtures.ts';
import { STORES, TestStore } from './stores.ts';

const key = (n: number) => `${PRODUCER}:${n}`;
const late = (n: number) => ({ ...itemOf(key(n), { topic: 'LATE' }), committed: true });
const topicOf = async (test: TestStore, messageKey: string) =>
  (await test.sql('SELECT t.name FROM message m JOIN topic t ON t.id = m.topic_id WHERE m.message_key = ?', messageKey))[0]?.name;

describe('a failover to a server that lacks the last rows', () => {
  let standby: MariaDb;
  let primary: Awaited<ReturnType<typeof createTestDatabase>>;
  let ways: [TcpProxy, TcpProxy];
  /** Looks directly at the standby. */
  let after: TestStore;
  let pool: Knex;
  const pools: Knex[] = [];
  const open = (url: string) => {
    const knex = openDatabase({ url, multipleStatements: true });
    pools.push(knex);
    return knex;
  };
  const storeOf = async (knex: Knex) => {
    await migrate(knex, { tableName: 'tpc_migration', list: STEPS });
    const test = new TestStore(knex, knex, async () => undefined);
    await test.reset();
    await subscribe(test);
    return test;
  };

  beforeAll(async () => {
    standby = await startMariaDb();
    primary = await createTestDatabase('tpc_failover');
    const name = new URL(primary.url).pathname;
    const root = open(`${standby.url}/mysql`);
    await root.raw(`CREATE DATABASE ${name.slice(1)} CHARACTER SET utf8mb4`);
    after = await storeOf(open(`${standby.url}${name}`));
    await subscribe(after, 'CID_OTHER', 'OTHER', []);
    const first = await createTcpProxy(Number(new URL(primary.url).port));
    ways = [first, await createTcpProxy(Number(new URL(standby.url).port), first.port)];
    await first.mend();
    pool = open(`mysql://root@127.0.0.1:${first.port}${name}`);
  });
  afterAll(async () => {
    for (const knex of pools) await knex.destroy();
    for (const way of ways) await way.cut();
    await primary.drop();
    await standby.stop();
  });

  it('a name whose id another has there goes neither to that topic nor to that group', async () => {
    const before = await storeOf(pool);
    await subscribe(before, 'CID_LATE', 'LATE', []);
    expect((await before.store.saveAndSendMessages([late(1)], newClaim())).results).toMatchObject([{ state: 20 }]);
    await before.store.markDeliveries([consumed(key(1), 'CID_LATE')]);
    const [ofOther] = (await after.store.saveAndSendMessages([{ ...late(2), content: { ...late(2).content, topic: 'OTHER' } }], newClaim())).results;
    expect(ofOther).toMatchObject({ state: 20 });

    await ways[0].cut();
    await ways[1].mend();
    const calls = [4, 5, 6].map((n) => before.store.saveAndSendMessages([late(n)], newClaim()));
    expect(await before.store.markDeliveries([consumed(key(2), 'CID_LATE')])).toEqual([{ tracked: false }]);
    for (const call of calls) expect((await call).results).toMatchObject([{ state: 50, reason: 'NO_SUBSCRIBER' }]);
    for (const n of [4, 5, 6]) expect(await topicOf(after, key(n))).toBe('LATE');
    const names = await after.sql<{ id: number }>("SELECT id FROM topic WHERE name IN ('LATE', 'OTHER')");
    expect(new Set(names.map(({ id }) => id)).size).toBe(2);
  });
});

describe.each(STORES)('another epoch, on %s', (_name, open) => {
  let test: TestStore;
  beforeAll(async () => {
    test = await open();
  });
  afterAll(() => test.close());
  beforeEach(() => test.reset());

  it('makes all names be read anew', async () => {
    const instance = { producerGroup: PRODUCER, storeId: STORE_ID, instanceId: 'i', topics: ['LATE'], host: 'h' };
    await test.store.registerProducer(instance);
    await test.store.saveAndSendMessages([late(1)], newClaim());
    // The tables are of an earlier moment now: LATE was not there yet, and its id has come to another.
    await test.sql("UPDATE topic SET name = 'OTHER' WHERE name = 'LATE'");
    await test.sql("INSERT INTO epoch (epoch, restored_to, raised_at, actor) VALUES (2, 1, 1, 'operator')");
    expect(await test.store.registerProducer(instance)).toMatchObject({ epoch: { epoch: 2 } });
    await test.store.saveAndSendMessages([late(2)], newClaim());
    expect(await topicOf(test, key(2))).toBe('LATE');
  });
});
