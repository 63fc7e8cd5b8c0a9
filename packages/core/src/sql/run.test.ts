import knexFactory, { type Knex } from 'knex';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTestDatabase } from '../../../../test/support/mariadb.ts';
import { inTransaction } from './in-transaction.ts';
import { run } from './run.ts';

describe('inTransaction on SQLite', () => {
  let db: Knex;
  beforeEach(async () => {
    db = knexFactory({ client: 'better-sqlite3', connection: ':memory:', useNullAsDefault: true, pool: { min: 1, max: 1 } });
    await run(db, 'PRAGMA foreign_keys = ON');
    await run(db, 'CREATE TABLE parent (id INTEGER PRIMARY KEY)');
    await run(db, 'CREATE TABLE child (parent INTEGER REFERENCES parent(id) DEFERRABLE INITIALLY DEFERRED)');
  });
  afterEach(() => db.destroy());

  const count = async () => (await run(db, 'SELECT * FROM child')).rows.length;

  it('rolls back when COMMIT fails, and the connection begins the next one', async () => {
    await expect(inTransaction(db, (tx) => run(tx, 'INSERT INTO child VALUES (1)'))).rejects.toThrow(/FOREIGN KEY/);
    expect(await count()).toBe(0);
    await inTransaction(db, async (tx) => {
      await run(tx, 'INSERT INTO parent VALUES (1)');
      await run(tx, 'INSERT INTO child VALUES (1)');
    });
    expect(await count()).toBe(1);
  });

  it('rolls back when the work fails', async () => {
    const failing = inTransaction(db, async (tx) => {
      await run(tx, 'INSERT INTO parent VALUES (1)');
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    expect((await run(db, 'SELECT * FROM parent')).rows).toEqual([]);
  });

  it('serves many callers at once over its one connection', async () => {
    await Promise.all(Array.from({ length: 20 }, (_, id) => inTransaction(db, (tx) => run(tx, 'INSERT INTO parent VALUES (?)', [id]))));
    expect((await run(db, 'SELECT * FROM parent')).rows).toHaveLength(20);
  });
});

describe('inTransaction on MariaDB', () => {
  let database: Awaited<ReturnType<typeof createTestDatabase>>;
  let db: Knex;
  const open = (isolation: string) =>
    knexFactory({
      client: 'mysql2',
      connection: database.url,
      pool: {
        min: 0,
        max: 2,
        afterCreate: (session: { query: (sql: string, done: (error: unknown) => void) => void }, done: (error: unknown, session: unknown) => void) =>
          session.query(`SET SESSION TRANSACTION ISOLATION LEVEL ${isolation}`, (error) => done(error, session)),
      },
    });
  beforeEach(async () => {
    database = await createTestDatabase();
  });
  afterEach(async () => {
    await db.destroy();
    await database.drop();
  });

  it.each(['REPEATABLE READ', 'READ COMMITTED'])(
    'sees what others commit meanwhile, on sessions at %s, the first time and later',
    async (isolation) => {
      db = open(isolation);
      await run(db, 'CREATE TABLE seen (id INTEGER PRIMARY KEY)');
      for (const id of [1, 2]) {
        const counts = await inTransaction(db, async (tx) => {
          const before = await run(tx, 'SELECT id FROM seen');
          await run(db, 'INSERT INTO seen VALUES (?)', [id]);
          return [before.rows.length, (await run(tx, 'SELECT id FROM seen')).rows.length];
        });
        expect(counts).toEqual([id - 1, id]);
      }
    },
  );

  it('gives its connection back after errors, and refuses statements after its end', async () => {
    db = open('READ COMMITTED');
    await run(db, 'CREATE TABLE seen (id INTEGER PRIMARY KEY)');
    let over: Knex.Transaction | undefined;
    for (let round = 0; round < 5; round++) {
      const failing = inTransaction(db, async (tx) => {
        over = tx;
        await run(tx, 'INSERT INTO seen VALUES (1)');
        await run(tx, 'INSERT INTO seen VALUES (1)');
      });
      await expect(failing).rejects.toMatchObject({ errno: 1062 });
    }
    await expect(run(over as Knex.Transaction, 'INSERT INTO seen VALUES (2)')).rejects.toThrow(/already complete/);
    expect((await run(db, 'SELECT id FROM seen')).rows).toEqual([]);
  });

  it('tells whoever listens on knex of each statement and its answer, once, in transactions too', async () => {
    db = open('READ COMMITTED');
    const heard: string[] = [];
    db.on('query', ({ sql }: { sql: string }) => heard.push(`query ${sql}`));
    db.on('query-response', (answer: unknown[], { sql }: { sql: string }) => heard.push(`answer ${sql} ${answer.length}`));
    await run(db, 'SELECT 1');
    await inTransaction(db, (tx) => run(tx, 'SELECT 2'));
    expect(heard.filter((line) => line.includes('SELECT'))).toEqual(['query SELECT 1', 'answer SELECT 1 1', 'query SELECT 2', 'answer SELECT 2 1']);
  });
});
