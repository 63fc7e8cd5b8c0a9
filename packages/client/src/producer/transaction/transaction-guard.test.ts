import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../../../../test/support/until.ts';
import { lockWait, type ProducerFixture, setUpProducer } from '../../../test/setup-producer.ts';
import { COMMITTING_STORES, MARIADBS } from '../../../test/stores.ts';
import { InvalidMessage } from '../domain/message.ts';
import { OutboxMisuse, TransactionDoomed } from '../errors.ts';

const MESSAGE = { topic: 'SEND_EMAIL_TOPIC', body: 'x' };
const swallow = () => undefined;

async function expectNothing(fixture: ProducerFixture): Promise<void> {
  expect(await fixture.accounts()).toEqual([]);
  expect(await fixture.outbox()).toEqual({});
  await until(() => fixture.fake.messages.every((message) => message.state === 40));
}

describe.each(COMMITTING_STORES)('the guard of a transaction on %s', (_name, open) => {
  let fixture: ProducerFixture;
  beforeEach(async () => {
    fixture = await setUpProducer(open);
  });
  afterEach(() => fixture.close());

  it('refuses statements that would end the transaction also inside a nested one, and behind a comment', async () => {
    const work = fixture.producer.transaction(async (tx, outbox) => {
      await tx('account').insert({ name: 'ada' });
      await tx.transaction(async (nested) => {
        for (const sql of ['COMMIT', '/* of an ORM */ COMMIT', '-- so\nROLLBACK', '/*!50000 COMMIT */'])
          await expect(nested.raw(sql)).rejects.toBeInstanceOf(OutboxMisuse);
      });
      await outbox.add(MESSAGE);
      throw new Error('all of it is taken back');
    });
    await expect(work).rejects.toThrow('all of it is taken back');
    await expectNothing(fixture);
  });

  it('rolls back after an outbox.add that was refused for its content, also when nobody awaited it', async () => {
    const swallowed = fixture.producer.transaction(async (tx, outbox) => {
      await tx('account').insert({ name: 'ada' });
      await expect(outbox.add({ ...MESSAGE, topic: 'no topic' })).rejects.toBeInstanceOf(InvalidMessage);
    });
    await expect(swallowed).rejects.toBeInstanceOf(TransactionDoomed);
    const unawaited = fixture.producer.transaction(async (tx, outbox) => {
      await tx('account').insert({ name: 'ada' });
      void outbox.add({ ...MESSAGE, body: '' });
    });
    await expect(unawaited).rejects.toThrow(/The body is required/);
    await expectNothing(fixture);
  });

  it('rolls back when outbox.add comes after the work has ended and before COMMIT', async () => {
    const late = Promise.withResolvers<void>();
    fixture.fake.beforeCall = ({ method }) => (method === 'batchSaveMessageWaitingConfirm' ? late.promise : undefined);
    const work = fixture.producer.transaction(async (tx, outbox) => {
      await tx('account').insert({ name: 'ada' });
      await outbox.add(MESSAGE);
      void fixture.fake
        .until(() => fixture.fake.callsOf('batchSaveMessageWaitingConfirm').length === 1)
        .then(() => outbox.add(MESSAGE))
        .catch(swallow)
        .finally(late.resolve);
    });
    await expect(work).rejects.toBeInstanceOf(TransactionDoomed);
    await expectNothing(fixture);
  });

  it('lets no statement of the work slip between the last look and COMMIT', async () => {
    const slipped = Promise.withResolvers<unknown>();
    await fixture.producer.transaction(async (tx, outbox) => {
      await outbox.add(MESSAGE);
      tx.on('query', ({ sql }: { sql: string }) => {
        if (/COUNT\(\*\)|^COMMIT/.test(sql))
          slipped.resolve(
            tx('account')
              .insert({ name: 'ada' })
              .then(swallow, (error: unknown) => error),
          );
      });
    });
    // Where COMMIT looks by itself, knex is the one to refuse what comes behind it.
    expect(await slipped.promise).toMatchObject({
      message: expect.stringMatching(/work of this transaction is over|Transaction query already complete/),
    });
    expect(await fixture.accounts()).toEqual([]);
    expect(Object.keys(await fixture.outbox())).toHaveLength(1);
  });
});

describe.each(MARIADBS)('the guard of a transaction on %s', (_name, open) => {
  let fixture: ProducerFixture;
  beforeEach(async () => {
    fixture = await setUpProducer(open);
  });
  afterEach(() => fixture.close());

  it('refuses every way to switch autocommit or to commit implicitly, nested or not', async () => {
    const statements = [
      'SET LOCAL autocommit = 1',
      'SET @@local.autocommit = 1',
      'SET @x = 1, autocommit = 1',
      '/* c */ SET autocommit = 1',
      'CREATE TABLE t (a INT)',
      '# so\nALTER TABLE account ADD b INT',
      'LOCK TABLE account WRITE',
      'FLUSH TABLES',
      'CHECK TABLE account',
      "SET PASSWORD = ''",
    ];
    const work = fixture.producer.transaction(async (tx, outbox) => {
      await tx('account').insert({ name: 'ada' });
      await tx.transaction(async (nested) => {
        for (const sql of statements) {
          await expect(tx.raw(sql), sql).rejects.toBeInstanceOf(OutboxMisuse);
          await expect(nested.raw(sql), sql).rejects.toBeInstanceOf(OutboxMisuse);
        }
      });
      await outbox.add(MESSAGE);
      throw new Error('all of it is taken back');
    });
    await expect(work).rejects.toThrow('all of it is taken back');
    await expectNothing(fixture);
  });

  it('is doomed by a deadlock inside a nested transaction that the work swallows', async () => {
    const other = fixture.store.second();
    await other.schema.createTable('counter', (table) => {
      table.integer('id').primary();
      table.integer('value');
    });
    await other('counter').insert([1, 2, 3, 4, 5, 6].map((id) => ({ id, value: 0 })));
    const work = fixture.producer.transaction(async (tx, outbox) => {
      await outbox.add(MESSAGE);
      await tx('counter').where({ id: 1 }).update({ value: 1 });
      const rival = await other.transaction();
      await rival('counter').where('id', '>', 1).update({ value: 2 });
      const waits = rival('counter').where({ id: 1 }).update({ value: 2 }).then(swallow);
      await lockWait(other);
      await tx.transaction((nested) => nested('counter').where({ id: 2 }).update({ value: 1 })).catch(swallow);
      await waits;
      await rival.rollback();
      await tx.transaction((nested) => nested('account').insert({ name: 'ada' })).catch(swallow);
    });
    await expect(work).rejects.toMatchObject({ name: 'TransactionDoomed', retryable: true });
    await expectNothing(fixture);
  });
});
