import knexFactory, { type Knex } from 'knex';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTestDatabase } from '../../../../test/support/mariadb.ts';
import type { Tx } from './database.ts';
import { afterCommit, deferWrite, inPacketTransaction, runOnPrimary, runTogether } from './packet-transaction.ts';
import { run } from './run.ts';
import { classifySqlError } from './sql-errors.ts';

const INSERT = 'INSERT INTO part VALUES (?, ?)';
const ids = async (db: Knex) => (await run<{ id: number }>(db, 'SELECT id FROM part ORDER BY id')).rows.map(({ id }) => id);

const STORES: [string, () => Promise<{ db: Knex; close: () => Promise<void> }>][] = [
  [
    'SQLite',
    async () => {
      const db = knexFactory({ client: 'better-sqlite3', connection: ':memory:', useNullAsDefault: true, pool: { min: 1, max: 1 } });
      return { db, close: () => db.destroy() };
    },
  ],
  ...[true, false].map((multipleStatements): (typeof STORES)[number] => [
    `MariaDB, ${multipleStatements ? 'several statements' : 'one statement'} in a packet`,
    async () => {
      const database = await createTestDatabase();
      const connection = { uri: database.url, multipleStatements } as Knex.MySql2ConnectionConfig;
      const db = knexFactory({ client: 'mysql2', connection, pool: { min: 0, max: 1 } });
      return {
        db,
        close: async () => {
          await db.destroy();
          await database.drop();
        },
      };
    },
  ]),
];

describe.each(STORES)('inPacketTransaction on %s', (name, open) => {
  let db: Knex;
  let close: () => Promise<void>;
  let sent: string[];
  beforeEach(async () => {
    ({ db, close } = await open());
    await run(db, 'CREATE TABLE part (id INTEGER PRIMARY KEY, text VARCHAR(20))');
    if (name.startsWith('MariaDB')) await run(db, 'SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED');
    await inPacketTransaction(db, async () => undefined); // asks the session for its settings
    sent = [];
    db.on('query', ({ sql }: { sql: string }) => sent.push(sql));
  });
  afterEach(() => close());

  it('answers each statement by itself, and commits what was written later', async () => {
    const answers = await inPacketTransaction(db, async (tx) => {
      const first = await run(tx, INSERT, [1, 'a']);
      await deferWrite(tx, INSERT, [2, 'b;?']);
      const [here, text] = await runTogether(tx, [
        { sql: 'SELECT id FROM part WHERE id <= ? ORDER BY id', params: [2] },
        { sql: 'SELECT text FROM part WHERE id = ?', params: [2] },
      ]);
      await deferWrite(tx, INSERT, [3, 'c']);
      await deferWrite(tx, 'UPDATE part SET text = ? WHERE id = ?', ['d', 1]);
      return { affected: first.affected, here: here?.rows, text: text?.rows };
    });
    expect(answers).toEqual({ affected: 1, here: [{ id: 1 }, { id: 2 }], text: [{ text: 'b;?' }] });
    expect((await run(db, 'SELECT * FROM part ORDER BY id')).rows).toEqual([
      { id: 1, text: 'd' },
      { id: 2, text: 'b;?' },
      { id: 3, text: 'c' },
    ]);
    if (name.includes('several')) expect(sent.slice(0, -1).map((sql) => sql.split(';\n').length)).toEqual([2, 3, 3]);
  });

  it('runs statements together outside a transaction: each commits by itself, and none behind one that fails', async () => {
    const insert = (id: number) => ({ sql: INSERT, params: [id, 'a'] });
    const [first, seen] = await runTogether(db, [insert(1), { sql: 'SELECT id FROM part', params: [] }]);
    expect([first?.affected, seen?.rows]).toEqual([1, [{ id: 1 }]]);
    await expect(runTogether(db, [insert(2), insert(1), insert(3)])).rejects.toMatchObject({ code: expect.stringMatching(/DUP|PRIMARYKEY/) });
    expect(await ids(db)).toEqual([1, 2]);
    if (name.includes('several')) expect(sent[0]).toBe(`${INSERT};\nSELECT id FROM part`);
  });

  it('writes nothing when the work throws, also what was to be written later', async () => {
    const failing = inPacketTransaction(db, async (tx) => {
      await run(tx, INSERT, [1, 'a']);
      await deferWrite(tx, INSERT, [2, 'b']);
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    expect(await ids(db)).toEqual([]);
  });

  it.each([
    ['a statement', run],
    ['what was to be written later', deferWrite],
  ])('writes nothing when %s fails, says why, and the connection begins the next one', async (_what, write) => {
    await run(db, INSERT, [7, 'here']);
    const failing = inPacketTransaction(db, async (tx) => {
      await deferWrite(tx, INSERT, [1, 'a']);
      await write(tx, INSERT, [7, 'again']);
      await deferWrite(tx, INSERT, [2, 'b']);
    });
    await expect(failing).rejects.toSatisfy((error) => classifySqlError(error) === 'duplicate');
    expect(await ids(db)).toEqual([7]);
    await inPacketTransaction(db, (tx) => deferWrite(tx, INSERT, [3, 'c']));
    expect(await ids(db)).toEqual([3, 7]);
  });

  it('takes no statement once its work is over', async () => {
    let over: Tx | undefined;
    await inPacketTransaction(db, async (tx) => {
      over = tx;
      await run(tx, INSERT, [1, 'a']);
    });
    await expect(run(over as Tx, INSERT, [2, 'b'])).rejects.toThrow(/already complete/);
    expect(await ids(db)).toEqual([1]);
  });

  /** The server says that it has ended the transaction, as after a deadlock; SQLite ends it. */
  const fatal = async () => {
    if (name === 'SQLite') return 'INSERT OR ROLLBACK INTO part VALUES (7, NULL)';
    await run(db, "CREATE TRIGGER victim BEFORE DELETE ON part FOR EACH ROW SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213");
    return 'DELETE FROM part WHERE id = 7';
  };

  it.each<[string, (tx: Tx, sql: string) => Promise<unknown>]>([
    ['swallows the error and goes on', (tx, sql) => run(tx, sql).catch(() => run(tx, INSERT, [2, 'b']))],
    ['has sent a statement beside it', (tx, sql) => Promise.allSettled([run(tx, sql), run(tx, INSERT, [2, 'b'])])],
    ['has sent statements beside it and waits for none', async (tx, sql) => void Promise.allSettled([run(tx, sql), run(tx, INSERT, [2, 'b'])])],
    ['swallows the error and writes later', (tx, sql) => run(tx, sql).catch(() => deferWrite(tx, INSERT, [2, 'b']))],
  ])('commits nothing where the database has ended the transaction, and the work %s', async (_what, goOn) => {
    await run(db, INSERT, [7, 'here']);
    const sql = await fatal();
    const work = inPacketTransaction(db, async (tx) => {
      await run(tx, INSERT, [1, 'a']);
      await goOn(tx, sql).catch(() => undefined);
    });
    await expect(work).rejects.toSatisfy((error) => ['deadlock', 'duplicate'].includes(classifySqlError(error)));
    expect(await ids(db)).toEqual([7]);
    await inPacketTransaction(db, (tx) => run(tx, INSERT, [3, 'c']));
    expect(await ids(db)).toEqual([3, 7]);
  });

  it('runs statements that are sent side by side in their order, all within the transaction', async () => {
    const work = inPacketTransaction(db, async (tx) => {
      await Promise.all([1, 2, 3].map((id) => run(tx, INSERT, [id, 'a'])));
      throw new Error('no');
    });
    await expect(work).rejects.toThrow('no');
    expect(await ids(db)).toEqual([]);
  });

  it('tells of its commit once it has committed, and of no rollback', async () => {
    const heard: string[] = [];
    await inPacketTransaction(db, async (tx) => {
      afterCommit(tx, () => heard.push('committed'));
      await run(tx, INSERT, [1, 'a']);
      expect(heard).toEqual([]);
    });
    const failing = inPacketTransaction(db, async (tx) => {
      afterCommit(tx, () => heard.push('rolled back'));
      await run(tx, INSERT, [1, 'again']);
    });
    await expect(failing).rejects.toSatisfy((error) => classifySqlError(error) === 'duplicate');
    expect(heard).toEqual(['committed']);
  });

  it('sends what is read on the primary together with the end of its transaction', async () => {
    expect((await runOnPrimary(db, 'SELECT 5 AS n')).rows).toEqual([{ n: 5 }]);
    await expect(runOnPrimary(db, 'SELECT nonsense')).rejects.toThrow(/nonsense/);
    if (name.includes('several')) expect(sent[0]).toBe('BEGIN;\nSELECT 5 AS n;\nCOMMIT');
    await inPacketTransaction(db, (tx) => run(tx, INSERT, [1, 'a']));
    expect(await ids(db)).toEqual([1]);
  });

  it('asks the database nothing for work that asks nothing of it', async () => {
    expect(await inPacketTransaction(db, async () => 5)).toBe(5);
    if (name.includes('several')) expect(sent).toEqual([]);
  });
});

describe('inPacketTransaction whose connection dies', () => {
  it('fails, and the pool makes a new connection', async () => {
    const database = await createTestDatabase();
    const connection = { uri: database.url, multipleStatements: true } as Knex.MySql2ConnectionConfig;
    const db = knexFactory({ client: 'mysql2', connection, pool: { min: 0, max: 1 } });
    const second = knexFactory({ client: 'mysql2', connection: database.url, pool: { min: 0, max: 1 } });
    try {
      await run(db, 'CREATE TABLE part (id INTEGER PRIMARY KEY, text VARCHAR(20))');
      const failing = inPacketTransaction(db, async (tx) => {
        const { rows } = await run<{ id: number }>(tx, 'SELECT CONNECTION_ID() AS id');
        await deferWrite(tx, INSERT, [1, 'a']);
        await run(second, `KILL ${rows[0]?.id}`);
      });
      await expect(failing).rejects.toSatisfy((error) => classifySqlError(error) === 'connection');
      expect(await ids(db)).toEqual([]);
    } finally {
      await db.destroy();
      await second.destroy();
      await database.drop();
    }
  });
});
