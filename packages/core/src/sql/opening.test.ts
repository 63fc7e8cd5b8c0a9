import knexFactory, { type Knex } from 'knex';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTestDatabase } from '../../../../test/support/mariadb.ts';
import type { Opening } from './begin.ts';
import { inTransaction } from './in-transaction.ts';
import { run } from './run.ts';
import type { Sql } from './types.ts';

type Store = { knex: Knex; drop(): Promise<void> };

async function mariadb(multipleStatements: boolean): Promise<Store> {
  const database = await createTestDatabase('core');
  const connection = { uri: database.url, multipleStatements } as Knex.MySql2ConnectionConfig;
  const knex = knexFactory({ client: 'mysql2', connection, pool: { min: 0, max: 1 } });
  return { knex, drop: () => knex.destroy().then(database.drop) };
}

async function sqlite(): Promise<Store> {
  const knex = knexFactory({ client: 'better-sqlite3', connection: ':memory:', useNullAsDefault: true, pool: { min: 1, max: 1 } });
  return { knex, drop: () => knex.destroy() };
}

const STORES: readonly (readonly [string, () => Promise<Store>])[] = [
  ['SQLite', sqlite],
  ['MariaDB', () => mariadb(false)],
  ['MariaDB, several statements in a packet', () => mariadb(true)],
];

describe.each(STORES)('what opens a transaction on %s', (_name, open) => {
  let store: Store;
  let knex: Knex;
  beforeEach(async () => {
    store = await open();
    knex = store.knex;
    await run(knex, 'CREATE TABLE step (name VARCHAR(10) PRIMARY KEY)');
  });
  afterEach(() => store.drop());

  const insert = (name: string): Sql => ({ sql: 'INSERT INTO step VALUES (?)', params: [name] });
  const remove: Sql = { sql: 'DELETE FROM step', params: [] };
  const refused = new Error('not ours');
  const refusing: Opening = {
    statements: [insert('opening')],
    check() {
      throw refused;
    },
  };
  const steps = async () => (await run<{ name: string }>(knex, 'SELECT name FROM step ORDER BY name')).rows.map(({ name }) => name);
  const work = async (tx: Knex.Transaction) => {
    await tx('step').insert({ name: 'work' });
  };

  it('is written before the work, and its check hears how many rows each statement has matched', async () => {
    await run(knex, "INSERT INTO step VALUES ('a'), ('b')");
    const seen: (readonly number[])[] = [];
    const opening: Opening = { statements: [remove, insert('opening')], check: (affected) => void seen.push(affected) };
    const found = await inTransaction(knex, (tx) => tx('step').pluck('name'), opening);
    expect(found).toEqual(['opening']);
    expect(seen).toEqual([[2, 1]]);
    expect(await steps()).toEqual(['opening']);
  });

  it('is written at once, also where the work does something else before it sends its first statement', async () => {
    const opened = Promise.withResolvers<void>();
    await inTransaction(knex, () => opened.promise, { statements: [insert('opening')], check: () => opened.resolve() });
    expect(await steps()).toEqual(['opening']);
  }, 10_000);

  it('is written where the work sends nothing', async () => {
    await inTransaction(knex, async () => undefined, { statements: [insert('opening')], check: () => undefined });
    expect(await steps()).toEqual(['opening']);
  });

  it.each<[string, (tx: Knex.Transaction) => Promise<unknown>]>([
    ['fails by it', work],
    ['swallows it', (tx) => work(tx).catch(() => undefined)],
    ['swallows it and goes on', (tx) => work(tx).catch(() => tx('step').insert({ name: 'more' }))],
    ['does not wait for it', async (tx) => void work(tx).catch(() => undefined)],
    ['makes an error of its own of it', (tx) => work(tx).catch((cause) => Promise.reject(new Error('mine', { cause })))],
    ['sends nothing', async () => undefined],
  ])('commits nothing when its check fails, and says why, where the work %s', async (_what, work) => {
    await expect(inTransaction(knex, work, refusing)).rejects.toBe(refused);
    expect(await steps()).toEqual([]);
  });

  it('commits nothing when it cannot be written, though the work swallows that', async () => {
    await run(knex, "INSERT INTO step VALUES ('opening')");
    const opening: Opening = { statements: [insert('opening')], check: () => undefined };
    await expect(inTransaction(knex, (tx) => work(tx).catch(() => undefined), opening)).rejects.toThrow(/duplicate|UNIQUE/i);
    expect(await steps()).toEqual(['opening']);
  });

  it("is rolled back with the work, whose first statement's error is its own", async () => {
    const bad = inTransaction(knex, (tx) => tx.raw('SELECT nonsense'), { statements: [insert('opening')], check: () => undefined });
    await expect(bad).rejects.toThrow(/nonsense/);
    expect(await steps()).toEqual([]);
  });

  it("stands where the work swallows its first statement's error", async () => {
    const opening: Opening = { statements: [insert('opening')], check: () => undefined };
    await inTransaction(knex, (tx) => tx.raw('SELECT nonsense').catch(() => work(tx)), opening);
    expect(await steps()).toEqual(['opening', 'work']);
  });
});
