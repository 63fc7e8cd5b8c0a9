import knexFactory, { type Knex } from 'knex';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { inTransaction, run } from './run.ts';

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
