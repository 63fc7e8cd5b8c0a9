import type { Knex } from 'knex';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../../../../test/support/until.ts';
import { lockWait, type ProducerFixture, setUpProducer } from '../../../test/setup-producer.ts';
import { COMMITTING_STORES, MARIADBS, SQLITE } from '../../../test/stores.ts';
import { KeyAlreadyUsed, OutboxMisuse, TransactionDoomed } from '../errors.ts';
import type { Outbox } from '../outbox/outbox.ts';

const MESSAGE = { topic: 'SEND_EMAIL_TOPIC', body: 'a body that no log may show' };
const swallow = () => undefined;

/** Nothing of the business, no outbox row, and no message that TPC would ever publish. */
async function expectNothing(fixture: ProducerFixture): Promise<void> {
  expect(await fixture.accounts()).toEqual([]);
  expect(await fixture.outbox()).toEqual({});
  await until(() => fixture.fake.messages.every((message) => message.state === 40));
}

describe.each(COMMITTING_STORES)('a transaction that cannot be known to hold its outbox rows, on %s', (_name, open) => {
  let fixture: ProducerFixture;
  beforeEach(async () => {
    fixture = await setUpProducer(open);
  });
  afterEach(() => fixture.close());

  it('rolls back after a failed outbox.add, also when the error is swallowed', async () => {
    await fixture.producer.transaction((_tx, outbox) => outbox.add({ ...MESSAGE, key: 'UAC:one' }));
    const work = fixture.producer.transaction(async (tx, outbox) => {
      await tx('account').insert({ name: 'ada' });
      const error = await outbox.add({ ...MESSAGE, body: 'other', key: 'UAC:one' }).catch((thrown) => thrown);
      expect(error).toBeInstanceOf(KeyAlreadyUsed);
    });
    await expect(work).rejects.toBeInstanceOf(TransactionDoomed);
    expect(await fixture.accounts()).toEqual([]);
  });

  it('counts an outbox.add that nobody awaited', async () => {
    const { producer, fake } = fixture;
    await producer.transaction(async (tx, outbox) => {
      await tx('account').insert({ name: 'ada' });
      void outbox.add({ ...MESSAGE, key: 'UAC:unawaited' });
    });
    expect(Object.keys(await fixture.outbox())).toHaveLength(1);
    await until(() => fake.messages[0]?.state === 20);
  });

  it('refuses outbox.add inside a nested transaction, and rolls back also when the error is swallowed', async () => {
    const work = fixture.producer.transaction(async (tx, outbox) => {
      await tx('account').insert({ name: 'ada' });
      await tx
        .transaction(async (nested) => {
          await nested('account').insert({ name: 'bob' });
          await expect(outbox.add(MESSAGE)).rejects.toBeInstanceOf(OutboxMisuse);
          throw new Error('only the nested one');
        })
        .catch(swallow);
    });
    await expect(work).rejects.toThrow(/savepoint/);
    await expectNothing(fixture);
  });

  it('lets nested transactions come and go beside outbox.add', async () => {
    const { producer } = fixture;
    await producer.transaction(async (tx, outbox) => {
      await tx.transaction((nested) => nested('account').insert({ name: 'ada' }));
      await tx.transaction(() => Promise.reject(new Error('rolled back alone'))).catch(swallow);
      await outbox.add(MESSAGE);
      await tx.transaction((nested) => nested('account').insert({ name: 'bob' }));
    });
    expect(await fixture.accounts()).toEqual(['ada', 'bob']);
    expect(Object.keys(await fixture.outbox())).toHaveLength(1);
  });

  it('rolls back when a savepoint took an outbox row away', async () => {
    const work = fixture.producer.transaction(async (tx, outbox) => {
      let savepoint = '';
      await tx
        .transaction((nested) => {
          nested.on('query', ({ sql }: { sql: string }) => {
            savepoint = /TO SAVEPOINT (\w+)/.exec(sql)?.[1] ?? savepoint;
          });
          return Promise.reject(new Error('rolled back, but the savepoint stays'));
        })
        .catch(swallow);
      await outbox.add(MESSAGE);
      await tx('account').insert({ name: 'ada' }).catch(swallow);
      await tx.raw(`ROLLBACK TO SAVEPOINT ${savepoint}`);
      await tx('account').insert({ name: 'bob' });
    });
    await expect(work).rejects.toThrow(/outbox rows of the transaction are no longer there/);
    await expectNothing(fixture);
  });

  it('refuses statements that would end the transaction, and goes on without harm', async () => {
    const { producer, store } = fixture;
    await producer.transaction(async (tx, outbox) => {
      await tx('account').insert({ name: 'ada' });
      for (const sql of ['COMMIT', 'ROLLBACK', 'BEGIN']) await expect(tx.raw(sql)).rejects.toBeInstanceOf(OutboxMisuse);
      expect(() => tx.commit()).toThrow(OutboxMisuse);
      expect(() => tx.rollback()).toThrow(OutboxMisuse);
      await outbox.add(MESSAGE);
    });
    expect(await fixture.accounts()).toEqual(['ada']);
    await store.knex('account').insert({ name: 'bob' });
    expect(await fixture.accounts()).toEqual(['ada', 'bob']);
  });

  it('refuses outbox.add after the end of the transaction', async () => {
    let kept: Outbox | undefined;
    await fixture.producer.transaction(async (_tx, outbox) => {
      kept = outbox;
    });
    await expect(kept?.add(MESSAGE)).rejects.toBeInstanceOf(OutboxMisuse);
  });

  it('shows no body in what it logs and throws', async () => {
    const { producer, store, fake } = fixture;
    await store.knex.schema.alterTable('tpc_outbox', (table) => table.dropColumn('tracestate'));
    fake.die();
    const error = (await producer.transaction((_tx, outbox) => outbox.add(MESSAGE)).catch((thrown) => thrown)) as Error;
    expect(error).toBeInstanceOf(TransactionDoomed);
    const shown = `${error.stack} ${(error.cause as Error).stack} ${JSON.stringify(fixture.logged)}`;
    expect(shown).not.toContain('no log may show');
    expect(shown.toLowerCase()).not.toContain(Buffer.from('no log may show').toString('hex'));
  });
});

describe.each(MARIADBS)('a transaction on %s that the server has ended', (_name, open) => {
  let fixture: ProducerFixture;
  let other: Knex;
  beforeEach(async () => {
    fixture = await setUpProducer(open);
    other = fixture.store.second();
    await other.schema.createTable('counter', (table) => {
      table.integer('id').primary();
      table.integer('value');
    });
    await other('counter').insert([1, 2, 3, 4, 5, 6].map((id) => ({ id, value: 0 })));
  });
  afterEach(() => fixture.close());

  /** Makes `tx` the victim of a real deadlock, at its statement on counter 2. */
  async function inDeadlock(tx: Knex.Transaction, statement: () => Promise<unknown>): Promise<void> {
    await tx('counter').where({ id: 1 }).update({ value: 1 });
    const rival = await other.transaction();
    // More changed rows: the server ends the transaction that changed less.
    await rival('counter').where('id', '>', 1).update({ value: 2 });
    const waiting = rival('counter').where({ id: 1 }).update({ value: 2 });
    const waits = waiting.then(swallow);
    await lockWait(other);
    await statement();
    await waits;
    await rival.rollback();
  }

  it('leaves no business row without its message after a swallowed deadlock', async () => {
    const work = fixture.producer.transaction(async (tx, outbox) => {
      await outbox.add(MESSAGE);
      await inDeadlock(tx, () =>
        tx('counter')
          .where({ id: 2 })
          .update({ value: 1 })
          .catch((error) => expect(error.errno).toBe(1213)),
      );
      await tx('account').insert({ name: 'ada' }).catch(swallow);
    });
    await expect(work).rejects.toMatchObject({ name: 'TransactionDoomed', retryable: true });
    await expectNothing(fixture);
  });

  it('leaves no business row when its statement was on the way already as the deadlock came', async () => {
    const work = fixture.producer.transaction(async (tx, outbox) => {
      await outbox.add(MESSAGE);
      await inDeadlock(tx, () =>
        Promise.allSettled([tx('counter').where({ id: 2 }).update({ value: 1 }), tx('account').insert({ name: 'ada' }), outbox.add(MESSAGE)]),
      );
    });
    await expect(work).rejects.toMatchObject({ name: 'TransactionDoomed', retryable: true });
    await expectNothing(fixture);
  });

  it('leaves nothing after a lost connection that the caller swallowed', async () => {
    const work = fixture.producer.transaction(async (tx, outbox) => {
      await tx('account').insert({ name: 'ada' });
      const [[{ id }]] = await tx.raw('SELECT CONNECTION_ID() AS id');
      await other.raw(`KILL ${id}`);
      await until(async () => Number((await other.raw('SELECT COUNT(*) AS n FROM information_schema.processlist WHERE id = ?', [id]))[0][0].n) === 0);
      await tx('account').insert({ name: 'bob' }).catch(swallow);
      await outbox.add(MESSAGE).catch(swallow);
    });
    await expect(work).rejects.toBeInstanceOf(TransactionDoomed);
    await expectNothing(fixture);
  });

  it('fails late, and commits nothing, where the barrier took the key meanwhile', async () => {
    const work = fixture.producer.transaction(async (tx, outbox) => {
      // The snapshot of this transaction is older than the barrier.
      await tx('account').insert({ name: 'ada' });
      await tx('tpc_outbox').count();
      await other('tpc_outbox').insert({ message_key: 'UAC:late', state: 90, created_at: 1, settled_at: 1 });
      await outbox.add({ ...MESSAGE, key: 'UAC:late' }).catch(swallow);
    });
    await expect(work).rejects.toBeInstanceOf(TransactionDoomed);
    expect(await fixture.accounts()).toEqual([]);
  });

  it('says that the work may be run again when another added the same own key at the same moment', async () => {
    const add = () => fixture.producer.transaction((_tx, outbox) => outbox.add({ ...MESSAGE, key: 'UAC:twice' }));
    const rival = await other.transaction();
    await rival('tpc_outbox').insert({ message_key: 'UAC:twice', state: 20, topic: MESSAGE.topic, body: Buffer.from(MESSAGE.body), created_at: 1 });
    const work = add().catch((error) => error);
    await lockWait(other);
    await rival.commit();
    expect(await work).toMatchObject({ name: 'TransactionDoomed', retryable: true });
    expect(await add()).toBe('UAC:twice');
  });

  it('refuses to switch autocommit, change the schema or leave the database, and gives the connection back as it was', async () => {
    const one = fixture.replica();
    await one.transaction(async (tx, outbox) => {
      for (const sql of [
        'SET autocommit=1',
        'set session autocommit = 1',
        'START TRANSACTION',
        'CREATE TABLE t (a INT)',
        'ALTER TABLE account ADD b INT',
        'USE information_schema',
      ])
        await expect(tx.raw(sql)).rejects.toBeInstanceOf(OutboxMisuse);
      await outbox.add(MESSAGE);
    });
    await expect(one.transaction(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
    const settings = await Promise.all(Array.from({ length: 8 }, () => fixture.store.knex.raw('SELECT @@autocommit AS setting, SLEEP(0.02)')));
    expect(settings.map(([[row]]) => row.setting)).toEqual(Array(8).fill(1));
  });

  it('holds its promise on a connection that somebody left without autocommit', async () => {
    await Promise.all(Array.from({ length: 8 }, () => fixture.store.knex.raw('SELECT SLEEP(0.02)')));
    await Promise.all(Array.from({ length: 8 }, () => fixture.store.knex.raw('SET autocommit=0')));
    const key = await fixture.producer.transaction(async (tx, outbox) => {
      await tx('account').insert({ name: 'ada' });
      return outbox.add(MESSAGE);
    });
    expect(await fixture.accounts()).toEqual(['ada']);
    expect(Object.keys(await fixture.outbox())).toEqual([key]);
  });
});

describe('a transaction on SQLite', () => {
  let fixture: ProducerFixture;
  beforeEach(async () => {
    fixture = await setUpProducer(SQLITE[1]);
  });
  afterEach(() => fixture.close());

  it('fails instead of hanging for ever when its work uses knex beside tx', async () => {
    const { producer, store } = fixture;
    const work = producer.transaction(async (_tx, outbox) => {
      await outbox.add(MESSAGE);
      await store.knex('account').insert({ name: 'ada' });
    });
    await expect(work).rejects.toThrow(/acquiring a connection/);
    await expectNothing(fixture);
  });

  it('rolls back when a statement made SQLite end the transaction by itself', async () => {
    const work = fixture.producer.transaction(async (tx, outbox) => {
      await tx('account').insert({ name: 'ada' });
      await outbox.add(MESSAGE);
      await tx.raw("INSERT OR ROLLBACK INTO account VALUES ('ada')").catch(swallow);
      await tx('account').insert({ name: 'bob' }).catch(swallow);
    });
    await expect(work).rejects.toBeInstanceOf(TransactionDoomed);
    await expectNothing(fixture);
  });
});
