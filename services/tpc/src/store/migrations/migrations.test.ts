import { readdirSync } from 'node:fs';
import { migrate } from '@tpc/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { STORES, type TestStore } from '../conformance/stores.ts';
import { STEPS } from './index.ts';

const MIGRATIONS = { tableName: 'tpc_migration', list: STEPS };
const TABLES = STEPS.flatMap(({ table }) => table ?? []);

async function columnsOf(test: TestStore, table: string): Promise<string[]> {
  return Object.keys(await test.knex(table).columnInfo()).sort();
}

it('every step is in the list, in order, under the name of its file', () => {
  const files = readdirSync(import.meta.dirname).filter((file) => /^\d{4}_/.test(file));
  expect(STEPS.map((step) => `${step.name}.ts`)).toEqual(files.sort());
});

describe.each(STORES)('the schema, on %s', (_name, open) => {
  let test: TestStore;
  beforeAll(async () => {
    test = await open();
  });
  afterAll(() => test.close());

  it('stands, and stays as it is when it is made again', async () => {
    await migrate(test.knex, MIGRATIONS);
    for (const table of TABLES) expect(await test.knex.schema.hasTable(table)).toBe(true);
  });

  it('is finished after a process died between a table and its record', async () => {
    await test.knex('tpc_migration').where('name', '>=', '0009').delete();
    await migrate(test.knex, MIGRATIONS);
    expect(await test.knex('tpc_migration')).toHaveLength(STEPS.length);
  });

  it('keeps keys apart that differ in case only', async () => {
    const now = 1;
    await test.sql('INSERT INTO topic (name, created_at) VALUES (?, ?), (?, ?)', 'a', now, 'A', now);
    expect(await test.sql('SELECT name FROM topic WHERE name = ?', 'A')).toEqual([{ name: 'A' }]);
  });
});

it('the tables have the same columns on both databases', async () => {
  const [sqlite, mariadb] = await Promise.all(STORES.map(([, open]) => open()));
  if (sqlite === undefined || mariadb === undefined) throw new Error('two databases are needed');
  for (const table of TABLES) {
    expect([table, await columnsOf(sqlite, table)]).toEqual([table, await columnsOf(mariadb, table)]);
  }
  await Promise.all([sqlite.close(), mariadb.close()]);
});
