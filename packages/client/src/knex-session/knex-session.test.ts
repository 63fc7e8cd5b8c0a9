import type { Knex } from 'knex';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { mariadbStore, SQLITE, type TestStore } from '../../test/stores.ts';
import { KnexSession } from './knex-session.ts';

const READ_COMMITTED = { isolationLevel: 'read committed' } as const;

describe.each([false, true])('what knex and mysql2 do in a transaction, with several statements in a packet: %s', (multipleStatements) => {
  let store: TestStore;
  let sent: string[];
  beforeEach(async () => {
    sent = [];
    store = await mariadbStore(multipleStatements, (sql) => {
      sent.push(sql);
      return sql;
    });
    await store.knex.raw('CREATE TABLE word (id INTEGER PRIMARY KEY)');
    // Its settings are read once.
    await (await KnexSession.open(store.knex)).rollback();
    sent.length = 0;
  });
  afterEach(() => store.drop());

  /** Names of savepoints are knex's. */
  const statements = () => sent.flatMap((sql) => sql.split(';\n')).map((sql) => sql.replace(/trx\d+/, 'one'));
  const insert = (tx: Knex.Transaction, id: number) => tx('word').insert({ id });
  const INSERT = 'insert into `word` (`id`) values (?)';

  it('goes over the lent connection: its beginning, nested transactions and its end', async () => {
    const session = await KnexSession.open(store.knex, READ_COMMITTED);
    await insert(session.tx, 1);
    await session.tx.transaction((nested) => insert(nested, 2));
    await expect(session.tx.transaction((nested) => insert(nested, 2))).rejects.toMatchObject({ errno: 1062 });
    await session.commit();
    const level = 'SET TRANSACTION ISOLATION LEVEL read committed;';
    const nested = ['SAVEPOINT one;', INSERT];
    expect(statements()).toEqual([
      level,
      'SET autocommit=0',
      INSERT,
      ...nested,
      'RELEASE SAVEPOINT one;',
      ...nested,
      'ROLLBACK TO SAVEPOINT one',
      'SET autocommit=1',
    ]);
    expect(await store.knex('word').pluck('id')).toEqual([1, 2]);
  });

  it('goes over the lent connection: ROLLBACK, and what the driver is given itself', async () => {
    const session = await KnexSession.open(store.knex);
    const connection = await session.tx.client.acquireConnection();
    await new Promise((resolve) => connection.execute('INSERT INTO word VALUES (?)', [1], resolve));
    await session.rollback();
    expect(statements()).toEqual(['SET autocommit=0', 'ROLLBACK', 'SET autocommit=1']);
    expect(await store.knex('word').pluck('id')).toEqual([]);
  });

  it('leaves no method of a connection, and no session, other than it was', async () => {
    const { client } = store.knex;
    const connection = await client.acquireConnection();
    const before = { ...connection };
    await client.releaseConnection(connection);
    for (const end of ['commit', 'rollback'] as const) {
      const session = await KnexSession.open(store.knex, { ...READ_COMMITTED, conditional: true });
      await insert(session.tx, 1);
      await session[end]();
      await store.knex('word').delete();
    }
    const changed = Object.keys(connection).filter((name) => typeof connection[name] === 'function' && connection[name] !== before[name]);
    expect(changed).toEqual([]);
    const [[{ autocommit }]] = await store.knex.raw('SELECT @@autocommit AS autocommit');
    expect(autocommit).toBe(1);
  });

  it('answers whether the transaction is open, and commits nothing that is sent behind its end', async () => {
    await store.knex.raw('CREATE PROCEDURE finish() ROLLBACK');
    const session = await KnexSession.open(store.knex);
    await insert(session.tx, 1);
    expect(session.isOpen).toBe(true);
    const nested = session.tx.transaction((inner) => Promise.all([inner.raw('CALL finish()'), insert(inner, 2)]));
    await nested.catch(() => undefined);
    expect(session.isOpen).toBe(false);
    await session.rollback();
    expect(await store.knex('word').pluck('id')).toEqual([]);
  });

  it('is quiet when statements that nobody waits for have their answers', async () => {
    const session = await KnexSession.open(store.knex);
    let answered = 0;
    for (const id of [1, 2])
      void insert(session.tx, id)
        .then(() => insert(session.tx, id + 2))
        .then(() => answered++);
    await session.quiet();
    await session.quiet();
    await session.commit();
    expect(answered).toBe(2);
    expect(await store.knex('word').pluck('id')).toEqual([1, 2, 3, 4]);
  });
});

describe('what knex and better-sqlite3 do in a transaction', () => {
  it('tells when the database has ended it', async () => {
    const store = await SQLITE[1]();
    try {
      await store.knex.raw('CREATE TABLE word (id INTEGER PRIMARY KEY)');
      const session = await KnexSession.open(store.knex, READ_COMMITTED);
      await session.tx('word').insert({ id: 1 });
      expect(session.isOpen).toBe(true);
      await session.tx.raw('INSERT OR ROLLBACK INTO word VALUES (1)').catch(() => undefined);
      expect(session.isOpen).toBe(false);
      await session.rollback();
      expect(await store.knex('word').pluck('id')).toEqual([]);
      const next = await KnexSession.open(store.knex);
      await next.tx('word').insert({ id: 2 });
      await next.commit();
      expect(await store.knex('word').pluck('id')).toEqual([2]);
    } finally {
      await store.drop();
    }
  });
});
