import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ProducerFixture, setUpProducer } from '../../test/setup-producer.ts';
import { mariadbStore } from '../../test/stores.ts';
import { TransactionDoomed } from '../producer/errors.ts';

const CONDITION = 'SET autocommit = (';

describe.each([false, true])('COMMIT with a condition, with several statements in a packet: %s', (multipleStatements) => {
  let fixture: ProducerFixture;
  let sent: string[];
  /** What the server that answers now does with a statement of another one. */
  let change: (sql: string) => string;
  beforeEach(async () => {
    change = (sql) => sql;
    sent = [];
    const replace = (sql: string) => {
      sent.push(sql);
      return change(sql);
    };
    fixture = await setUpProducer(() => mariadbStore(multipleStatements, replace));
    await fixture.producer.start();
    await add('first');
    expect(conditions()).toBe(1);
  });
  afterEach(() => fixture.close());

  const takesNone = (sql: string) => (sql.startsWith(CONDITION) ? `SET autocommit = nonsense (` : sql);
  const conditions = () => sent.splice(0).filter((sql) => sql.startsWith(CONDITION) && sql.includes('message_key IN')).length;
  const add = (name: string) =>
    fixture.producer.transaction(async (tx, outbox) => {
      await tx('account').insert({ name });
      await outbox.add({ topic: 'SEND_EMAIL_TOPIC', body: name });
    });

  it('is committed without one where another server takes none, and that one is not asked again', async () => {
    change = takesNone;
    await add('second');
    expect(conditions()).toBe(1);
    await add('third');
    expect(conditions()).toBe(0);
    expect(await fixture.accounts()).toEqual(['first', 'second', 'third']);
    expect(Object.keys(await fixture.outbox())).toHaveLength(3);
  });

  it('commits nothing where another server takes none and a row of the outbox is gone', async () => {
    change = takesNone;
    const work = fixture.producer.transaction(async (tx, outbox) => {
      await tx('account').insert({ name: 'second' });
      await outbox.add({ topic: 'SEND_EMAIL_TOPIC', body: 'second' });
      await tx('tpc_outbox').where({ state: 10 }).delete();
    });
    await expect(work).rejects.toBeInstanceOf(TransactionDoomed);
    expect(await fixture.accounts()).toEqual(['first']);
  });

  it('is asked for where the address leads to a server of another version', async ({ skip }) => {
    const [[{ version }]] = await fixture.store.knex.raw('SELECT VERSION() AS version');
    skip(!version.includes('MariaDB'), 'made with a table that MySQL has not');
    const show = `SELECT VARIABLE_NAME AS Variable_name, IF(VARIABLE_NAME = 'VERSION', 'another', VARIABLE_VALUE) AS Value
FROM information_schema.SESSION_VARIABLES`;
    change = (sql) => takesNone(sql.startsWith('SHOW SESSION VARIABLES') ? show : sql);
    const [[{ id }]] = await fixture.store.knex.raw('SELECT CONNECTION_ID() AS id');
    const other = fixture.store.second();
    const [threads] = await other.raw('SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()');
    expect(threads.map((thread: { id: number }) => thread.id)).toContain(id);
    for (const thread of threads) await other.raw(`KILL ${thread.id}`).catch(() => undefined);
    await expect
      .poll(() =>
        add('second').then(
          () => true,
          () => false,
        ),
      )
      .toBe(true);
    expect(conditions()).toBe(0);
    await add('third');
    expect(await fixture.accounts()).toEqual(['first', 'second', 'third']);
  });
});
