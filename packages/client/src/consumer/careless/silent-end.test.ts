import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../../../../test/support/until.ts';
import { TestBed, TOPIC, takeEffect } from '../../../test/consumer-kit.ts';
import { SQLITE, TOGETHER } from '../../../test/stores.ts';

describe('a handler on SQLite whose transaction the database ended by itself', () => {
  let bed: TestBed;
  beforeEach(async () => {
    bed = await TestBed.open(SQLITE[1]);
    await bed.store.knex.raw('CREATE TABLE once (id INTEGER PRIMARY KEY ON CONFLICT ROLLBACK, big BLOB)');
    await bed.store.knex('once').insert({ id: 1 });
  });
  afterEach(() => bed.close());

  it('takes effect once, when a conflict clause rolled back and the handler went on', async () => {
    let tries = 0;
    await bed.run({
      async handle(tx, message) {
        tries++;
        if (tries === 1) await tx.raw('INSERT OR ROLLBACK INTO once (id) VALUES (1)').catch(() => undefined);
        await takeEffect(tx, message);
      },
    });
    bed.broker.deliver({ messageKey: 'm1', topic: TOPIC, body: 'x' });
    await until(async () => (await bed.inbox('m1'))?.state === 30);
    expect([await bed.took('m1'), tries]).toEqual([1, 2]);
  });

  it('takes effect once, when the disk was full and the handler went on', async () => {
    let tries = 0;
    await bed.run({
      async handle(tx, message) {
        tries++;
        if (tries === 1) {
          const [{ page_count: pages }] = await tx.raw('PRAGMA page_count');
          await tx.raw(`PRAGMA max_page_count = ${pages}`);
          await tx('once')
            .insert({ id: 2, big: Buffer.alloc(1_000_000) })
            .catch(() => undefined);
          await tx.raw('PRAGMA max_page_count = 1000000');
        }
        await takeEffect(tx, message);
      },
    });
    bed.broker.deliver({ messageKey: 'm1', topic: TOPIC, body: 'x' });
    await until(async () => (await bed.inbox('m1'))?.state === 30);
    expect([await bed.took('m1')]).toEqual([1]);
  });
});

describe('a handler whose procedure has ended the transaction, in a text that ends in a query', () => {
  it('takes effect once', async () => {
    const bed = await TestBed.open(TOGETHER[1]);
    await bed.store.knex.raw('CREATE PROCEDURE gives_up() ROLLBACK');
    let tries = 0;
    await bed.run({
      async handle(tx, message) {
        if (++tries === 1) await tx.raw('CALL gives_up(); SELECT 1');
        await takeEffect(tx, message);
      },
    });
    bed.broker.deliver({ messageKey: 'm1', topic: TOPIC, body: 'x' });
    await until(async () => (await bed.inbox('m1'))?.state === 30);
    expect([await bed.took('m1'), tries]).toEqual([1, 2]);
    await bed.close();
  });
});
