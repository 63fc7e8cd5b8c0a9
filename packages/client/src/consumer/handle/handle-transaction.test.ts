import type { Knex } from 'knex';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../../../../test/support/until.ts';
import { GROUP, storeAndDie, TestBed, TOPIC, takeEffect } from '../../../test/consumer-kit.ts';
import { PACKET_STORES, SQLITE } from '../../../test/stores.ts';
import { settingsOf } from '../defaults.ts';
import type { ClaimedRow } from '../domain/inbox-row.ts';
import { createTelemetry } from '../observe/counters.ts';
import { Reporter } from '../report/reporter.ts';
import type { ConsumedMessage } from '../types.ts';
import { createTransactionExecutor } from './handle-transaction.ts';
import type { HandlerParts } from './handler-parts.ts';
import { recordFailure } from './record-failure.ts';

type Handle = (tx: Knex.Transaction, message: ConsumedMessage) => Promise<void>;

describe.each(PACKET_STORES)("a handler's transaction on %s", (_name, makeStore) => {
  let bed: TestBed;
  beforeEach(async () => {
    bed = await TestBed.open(makeStore);
  });
  afterEach(() => bed.close());

  function executor(handle: Handle) {
    const handleBatch = async (tx: Knex.Transaction, all: readonly ConsumedMessage[]) => {
      for (const one of all) await handle(tx, one);
    };
    const handler = { maxBatch: 8, handleBatch };
    const options = { subscriptions: [{ topic: TOPIC, tags: [] }], handlers: { [TOPIC]: handler }, group: GROUP, knex: bed.store.knex };
    const settings = settingsOf({ ...options, tpc: undefined as never, subscribe: bed.broker.subscribe });
    const telemetry = createTelemetry(settings, { note: () => {} });
    const reporter = new Reporter(settings, telemetry);
    const parts: HandlerParts = { topic: TOPIC, settings, telemetry, reporter, othersWait: () => false, stopping: () => false, goOn: () => true };
    return { execute: createTransactionExecutor(parts, handler), parts };
  }

  it.each<[string, Handle]>([
    ['fails by it', takeEffect],
    ['swallows it', (tx, message) => takeEffect(tx, message).catch(() => undefined)],
    ['swallows it and tries again', (tx, message) => takeEffect(tx, message).catch(() => takeEffect(tx, message))],
    ['does not wait for it', async (tx, message) => void takeEffect(tx, message).catch(() => undefined)],
  ])('writes nothing where another instance has taken the message over, and the handler %s', async (_what, handle) => {
    const stale = await storeAndDie(bed.store.knex, ['f1', 'f2'], 60_000);
    await bed.store.knex('tpc_inbox').where({ message_key: 'f1' }).update({ claim: 'another' });
    const { execute, parts } = executor(handle);
    await execute(stale);
    expect(await bed.took('f1')).toBe(0);
    expect(await bed.inbox('f1')).toMatchObject({ state: 10, claim: 'another', attempts: 0 });
    expect(await bed.took('f2')).toBe(1);
    expect(parts.telemetry.counters).toMatchObject({ consumed: 1, fenced: 1 });
  });

  it('writes nothing where another instance has taken the message over, and the handler sends nothing', async () => {
    const stale = await storeAndDie(bed.store.knex, ['f1'], 60_000);
    await bed.store.knex('tpc_inbox').update({ claim: 'another' });
    const { execute, parts } = executor(async () => undefined);
    await execute(stale);
    expect(await bed.inbox('f1')).toMatchObject({ state: 10, claim: 'another', attempts: 0 });
    expect(parts.telemetry.counters).toMatchObject({ consumed: 0, fenced: 1 });
  });

  it('marks the message where the handler sends nothing', async () => {
    await executor(async () => undefined).execute(await storeAndDie(bed.store.knex, ['n1'], 60_000));
    expect(await bed.inbox('n1')).toMatchObject({ state: 30, attempts: 1 });
  });

  it.each<[string, (tx: Knex.Transaction) => PromiseLike<unknown>]>([
    ['tx.commit', async (tx) => tx.commit()],
    ['COMMIT', (tx) => tx.raw('COMMIT')],
    ['ROLLBACK', (tx) => tx.raw('ROLLBACK')],
    ['BEGIN', (tx) => tx.raw('BEGIN')],
  ])('is not ended by %s in the handler', async (_what, end) => {
    const { execute } = executor(async (tx, message) => {
      await takeEffect(tx, message);
      if (message.messageKey === 'swallowed') await end(tx).then(undefined, () => undefined);
      else await end(tx);
    });
    await execute(await storeAndDie(bed.store.knex, ['thrown', 'swallowed'], 60_000));
    expect(await bed.took('thrown')).toBe(0);
    expect(await bed.inbox('thrown')).toMatchObject({ state: 10, attempts: 1, last_error: expect.stringContaining('may not begin or end') });
    expect(await bed.took('swallowed')).toBe(1);
    expect(await bed.inbox('swallowed')).toMatchObject({ state: 30 });
  });

  it('is not led to another database by the handler', async ({ skip }) => {
    const { knex } = bed.store;
    skip(knex.client.driverName !== 'mysql2', 'SQLite has no USE');
    const nameOf = async () => (await knex.raw('SELECT DATABASE() AS name'))[0][0].name;
    const before = await nameOf();
    await executor(async (tx) => void (await tx.raw('USE information_schema'))).execute(await storeAndDie(knex, ['u1'], 60_000));
    expect(await bed.inbox('u1')).toMatchObject({ state: 10, attempts: 1, last_error: expect.stringContaining('leave the database') });
    expect(await nameOf()).toBe(before);
  });

  it('keeps its connection where the handler fails', async ({ skip }) => {
    const { knex } = bed.store;
    skip(knex.client.driverName !== 'mysql2', 'SQLite has one connection');
    const ids = async () => (await knex.raw('SELECT id FROM information_schema.processlist WHERE db = DATABASE() ORDER BY id'))[0];
    const claimed = await storeAndDie(knex, ['k1', 'k2'], 60_000);
    const before = await ids();
    await executor(() => Promise.reject(new Error('no'))).execute(claimed);
    expect(await bed.inbox('k2')).toMatchObject({ state: 10, attempts: 1 });
    expect(await ids()).toEqual(before);
  });

  it('takes effect once where a stored procedure has rolled the transaction back and begun another', async ({ skip }) => {
    const { knex } = bed.store;
    skip(knex.client.driverName !== 'mysql2', 'SQLite has no stored procedures');
    await knex.raw("CREATE PROCEDURE anew() BEGIN ROLLBACK; INSERT INTO effect (message_key, `by`) VALUES ('p1', 'procedure'); END");
    const { execute } = executor(async (tx) => void (await tx.raw('CALL anew()')));
    await execute(await storeAndDie(knex, ['p1'], 60_000));
    expect(await bed.took('p1')).toBe(0);
    expect(await bed.inbox('p1')).toMatchObject({ state: 10, attempts: 1 });
  });

  it.each<[string, (tx: Knex.Transaction) => Promise<unknown>]>([
    ['with an error', async (tx) => tx.rollback(new Error('not now'))],
    ['without one', async (tx) => tx.rollback()],
    ['without one, swallowing what it answers', (tx) => Promise.resolve(tx.rollback()).catch(() => undefined)],
  ])('is given up by tx.rollback %s, and the message tried again', async (_what, giveUp) => {
    const { execute } = executor(async (tx, message) => {
      await takeEffect(tx, message);
      await giveUp(tx);
    });
    await execute(await storeAndDie(bed.store.knex, ['r1'], 60_000));
    expect(await bed.took('r1')).toBe(0);
    expect(await bed.inbox('r1')).toMatchObject({ state: 10, attempts: 1 });
  });

  it('leaves a message consumed whose COMMIT succeeded although its answer was an error', async () => {
    const [claimed] = (await storeAndDie(bed.store.knex, ['c1'], 60_000)) as [ClaimedRow];
    const { execute, parts } = executor(takeEffect);
    await execute([claimed]);
    await recordFailure(parts, claimed, Object.assign(new Error('lost'), { code: 'PROTOCOL_CONNECTION_LOST' }), 0);
    expect(await bed.inbox('c1')).toMatchObject({ state: 30, due_at: null });
  });
});

describe("a handler's transaction on SQLite that the database has ended", () => {
  const [, makeStore] = SQLITE;

  it.each<[string, Handle]>([
    ['and it goes on', (tx, message) => takeEffect(tx, message, 'behind')],
    ['and it goes on in a nested transaction', (tx, message) => tx.transaction((nested) => takeEffect(nested, message, 'behind'))],
  ])('takes effect once where the handler swallows the error, %s', async (_what, goOn) => {
    const bed = await TestBed.open(makeStore);
    try {
      await bed.store.knex.raw('CREATE TABLE once (id INTEGER PRIMARY KEY)');
      await bed.store.knex.raw('INSERT INTO once VALUES (1)');
      let tries = 0;
      await bed.run({
        handle: async (tx, message) => {
          if (++tries > 1) return takeEffect(tx, message, 'second try');
          await tx.raw('INSERT OR ROLLBACK INTO once VALUES (1)').catch(() => undefined);
          return goOn(tx, message).catch(() => undefined);
        },
      });
      bed.broker.deliver({ messageKey: 'k', topic: TOPIC, body: 'x' });
      await until(async () => (await bed.inbox('k'))?.state === 30);
      expect(await bed.store.knex('effect').pluck('by')).toEqual(['second try']);
    } finally {
      await bed.close();
    }
  });
});
