import { inPacketTransaction, inTransaction, limitStatements, run } from '@tpc/core';
import type { Knex } from 'knex';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../../test/support/until.ts';
import { TestBed, TOPIC, takeEffect } from '../test/consumer-kit.ts';
import { type MySqlProxy, startMySqlProxy } from '../test/mysql-proxy.ts';
import { type ProducerFixture, setUpProducer } from '../test/setup-producer.ts';
import { MARIADBS } from '../test/stores.ts';
import { OutcomeUnknown } from './producer/errors.ts';

const MESSAGE = { topic: 'SEND_EMAIL_TOPIC', body: 'x' };

async function proxyBeforeServer(): Promise<MySqlProxy> {
  const server = new URL(process.env.TEST_MYSQL_URL as string);
  return startMySqlProxy({ host: server.hostname, port: Number(server.port) });
}

/** Ids of the sessions that the pool lends, one after the other. */
async function sessionOf(knex: Knex): Promise<number> {
  const [rows] = await knex.raw('SELECT CONNECTION_ID() AS id');
  return rows[0].id;
}

describe.each(MARIADBS)('a server that answers no more: a producer on %s', (_name, open) => {
  let fixture: ProducerFixture;
  let proxy: MySqlProxy;
  let knex: Knex;
  beforeEach(async () => {
    fixture = await setUpProducer(open);
    proxy = await proxyBeforeServer();
    knex = fixture.store.second(proxy.port);
  });
  afterEach(async () => {
    await proxy.close();
    await fixture.close();
  });

  it('never lends the connection again whose ROLLBACK was not answered, and takes another', async () => {
    const producer = fixture.replica({ knex, statementLimitMs: 1_000 });
    await producer.start();
    let session = 0;
    const work = producer.transaction(async (tx) => {
      session = await sessionOf(tx);
      proxy.swallowAnswerOf('ROLLBACK');
      throw new Error('business says no');
    });
    await expect(work).rejects.toThrow('business says no');
    expect(await sessionOf(knex)).not.toBe(session);
    await producer.transaction((_tx, outbox) => outbox.add(MESSAGE));
  });

  it.each([
    ['inTransaction', inTransaction],
    ['inPacketTransaction', inPacketTransaction],
  ])('never lends the connection again on which the ROLLBACK of %s was not answered', async (_name, transaction) => {
    limitStatements(knex, 500);
    let session = 0;
    const work = transaction(knex, async (tx) => {
      session = (await run<{ id: number }>(tx, 'SELECT CONNECTION_ID() AS id')).rows[0]?.id as number;
      proxy.swallowAnswerOf('ROLLBACK');
      throw new Error('business says no');
    });
    await expect(work).rejects.toThrow('business says no');
    expect(await sessionOf(knex)).not.toBe(session);
  });

  it.each([
    ['COMMIT', 'SET autocommit = ('],
    ['the outbox row', 'INSERT INTO tpc_outbox'],
  ])('waits no longer than its limit for %s', async (_what, words) => {
    const producer = fixture.replica({ knex, statementLimitMs: 300 });
    await producer.start();
    proxy.swallowAnswerOf(words);
    const failed = await producer.transaction((_tx, outbox) => outbox.add(MESSAGE)).catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(Error);
    if (words.startsWith('SET')) expect(failed).toBeInstanceOf(OutcomeUnknown);
    await producer.transaction((_tx, outbox) => outbox.add(MESSAGE));
  });

  it('sweeps on, though the answer to its claim never came', async () => {
    const dying = fixture.replica({ sweep: { enabled: false, firstWaitMs: 0 } });
    fixture.fake.freeze();
    const key = await dying.transaction((_tx, outbox) => outbox.add({ ...MESSAGE, sendType: 'SAVE_AND_SEND' }));
    fixture.fake.thaw();
    await fixture.store.knex('tpc_outbox').update({ due_at: 1 });
    proxy.swallowAnswerOf('UPDATE tpc_outbox SET claim');
    const sweeper = fixture.replica({ knex, statementLimitMs: 300, sweep: { enabled: true, intervalMs: 5, leaseMs: 20 } });
    await sweeper.start();
    await until(async () => (await fixture.outbox())[key]?.state === 20);
  });
});

describe.each(MARIADBS)('a server that answers no more: a consumer on %s', (_name, open) => {
  let bed: TestBed;
  let proxy: MySqlProxy;
  beforeEach(async () => {
    bed = await TestBed.open(open);
    proxy = await proxyBeforeServer();
  });
  afterEach(async () => {
    await proxy.close();
    await bed.close();
  });

  it.each([
    ['storing', 'INSERT INTO tpc_inbox'],
    ['COMMIT', 'COMMIT;'],
    ['ROLLBACK', 'ROLLBACK'],
  ])('handles a message once though %s was not answered', async (_what, words) => {
    const knex = bed.store.second(proxy.port);
    let failures = words === 'ROLLBACK' ? 1 : 0;
    const consumer = await bed.run(
      {
        handle: async (tx, message) => {
          await takeEffect(tx, message);
          if (failures-- > 0) throw new Error('business says no');
        },
      },
      { knex, statementLimitMs: 300, leaseMs: 2_000 },
    );
    proxy.swallowAnswerOf(words);
    bed.broker.deliver({ messageKey: 'm1', topic: TOPIC, body: 'x' });
    await until(async () => (await bed.inbox('m1'))?.state === 30);
    expect(await bed.took('m1')).toBe(1);
    bed.broker.deliver({ messageKey: 'm2', topic: TOPIC, body: 'x' });
    await until(async () => (await bed.took('m2')) === 1);
    await consumer.stop(1_000);
  });
});
