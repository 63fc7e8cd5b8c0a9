import { lend } from '@tpc/core';
import type { Knex } from 'knex';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createStore, DEFAULT_POLICIES } from '../create-store.ts';
import { failed, PRODUCER, publish, rowOf, subscribe } from './fixtures.ts';
import { STORES, type TestStore } from './stores.ts';

const key = (n: number | string) => `${PRODUCER}:${n}`;

/** A database on which the first transaction that notes an event is rolled back as the victim of a deadlock when it is about to commit. */
function failsFirstCommit(knex: Knex): { knex: Knex; failures: () => number } {
  let failures = 0;
  const failOnce = () => {
    if (failures > 0) return;
    failures++;
    throw Object.assign(new Error('deadlock'), { errno: 1213 });
  };
  type Query = (connection: unknown, statement: { sql: string; bindings: unknown[] }) => Promise<{ response: unknown[] }>;
  const query: Query = (connection, statement) => knex.client.query(connection, statement);
  const queryUnlessFailing: Query = async (connection, statement) => {
    if (/INSERT INTO message_event[\s\S]*\bCOMMIT\b/.test(statement.sql)) failOnce();
    // On SQLite COMMIT stands alone.
    if (statement.sql === 'COMMIT' && knex.client.driverName !== 'mysql2') {
      const { response } = await query(connection, { sql: 'SELECT 1 FROM message_event', bindings: [] });
      if (response.length > 0) failOnce();
    }
    return query(connection, statement);
  };
  const client = lend(knex.client, { query: queryUnlessFailing });
  const proxy = new Proxy(knex, { get: (target, name) => (name === 'client' ? client : Reflect.get(target, name)) });
  return { knex: proxy, failures: () => failures };
}

describe.each(STORES)('what dies is told to the observer, on %s', (_name, open) => {
  let test: TestStore;
  beforeAll(async () => {
    test = await open();
  });
  afterAll(() => test.close());
  beforeEach(() => test.reset());

  it('once it is committed, and once, also where the transaction was run again', async () => {
    await subscribe(test);
    await publish(test, key(1), key(2));
    const failing = failsFirstCommit(test.knex);
    const told: string[] = [];
    const observer = { onConsumed: () => {}, onFinished: () => {}, onDead: (reason: string) => void told.push(reason), onStrayCopies: () => {} };
    const store = createStore(failing.knex, { policies: DEFAULT_POLICIES, random: () => 0.5, observer });
    await store.markDeliveries([failed(key(1))]);
    expect(failing.failures()).toBe(1);
    expect((await rowOf(test, key(1))).state).toBe(50);
    expect(told).toHaveLength(1);
    await store.markDeliveries([failed(key(2))]);
    expect(told).toHaveLength(2);
  });
});
