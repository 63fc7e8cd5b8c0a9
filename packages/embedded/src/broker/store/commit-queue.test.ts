import Database from 'better-sqlite3';
import { afterEach, describe, expect, it } from 'vitest';
import { CommitQueue } from './commit-queue.ts';

describe('commit queue', () => {
  const statements: string[] = [];
  const db = new Database(':memory:', { verbose: (sql) => statements.push(String(sql)) });
  db.exec('CREATE TABLE n (value INTEGER PRIMARY KEY)');
  const insert = db.prepare('INSERT INTO n VALUES (?)');
  const values = () => db.prepare('SELECT value FROM n ORDER BY value').pluck().all();
  const queue = new CommitQueue(db);
  afterEach(() => {
    db.exec('DELETE FROM n');
    statements.length = 0;
  });

  it('shares one transaction among all work of one turn', async () => {
    await Promise.all([1, 2, 3].map((value) => queue.submit(() => insert.run(value))));
    expect(values()).toEqual([1, 2, 3]);
    expect(statements.filter((sql) => sql.startsWith('BEGIN'))).toHaveLength(1);
  });

  it('answers after the COMMIT, never before', async () => {
    await queue.submit(() => insert.run(1)).then(() => statements.push('answered'));
    expect(statements.at(-2)).toMatch(/^COMMIT/);
  });

  it('undoes only the work that failed, and tells its caller why', async () => {
    const good = queue.submit(() => insert.run(1));
    const bad = queue.submit(() => {
      insert.run(2);
      throw new Error('no');
    });
    const alsoGood = queue.submit(() => insert.run(3).changes);
    await expect(bad).rejects.toThrow('no');
    expect(await alsoGood).toBe(1);
    await good;
    expect(values()).toEqual([1, 3]);
  });

  it('tells everybody when the transaction as a whole is lost', async () => {
    const good = queue.submit(() => insert.run(1));
    const killer = queue.submit(() => {
      db.exec('ROLLBACK');
      throw new Error('disk full');
    });
    await expect(killer).rejects.toThrow('disk full');
    await expect(good).rejects.toThrow('disk full');
    expect(values()).toEqual([]);
    expect(await queue.submit(() => insert.run(7).changes)).toBe(1);
  });
});
