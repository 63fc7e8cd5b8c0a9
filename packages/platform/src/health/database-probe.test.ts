import { run } from '@tpc/core';
import type { Knex } from 'knex';
import { expect, it } from 'vitest';
import { startMariaDb } from '../../../../test/support/mariadb.ts';
import { openDatabase } from '../sql/open-database.ts';
import { createDatabaseProbe } from './database-probe.ts';

/** How long a server of the test's own may take to start, milliseconds. */
const START_MS = 90_000;
const TABLE = 'the_migrations';

/** Whether the probe says yes before, while and after the database takes no writes. */
async function answersOf(knex: Knex, setReadOnly: (on: boolean) => Promise<unknown>): Promise<boolean[]> {
  await run(knex, `CREATE TABLE ${TABLE} (name VARCHAR(64) NOT NULL)`);
  await run(knex, `INSERT INTO ${TABLE} (name) VALUES ('0001')`);
  const probe = createDatabaseProbe(knex, TABLE);
  const answers = [await probe()];
  for (const on of [true, false]) {
    await setReadOnly(on);
    answers.push(await probe());
  }
  expect((await run(knex, `SELECT name FROM ${TABLE}`)).rows).toEqual([{ name: '0001' }]);
  return answers;
}

it('a SQLite file that takes no writes is not ready, though it answers', async () => {
  const knex = openDatabase({ url: 'sqlite::memory:' });
  expect(await answersOf(knex, (on) => knex.raw(`PRAGMA query_only = ${on ? 'ON' : 'OFF'}`))).toEqual([true, false, true]);
  await knex.destroy();
});

it(
  'a MariaDB that has become read-only is not ready, though it answers',
  async () => {
    const server = await startMariaDb();
    const root = openDatabase({ url: `${server.url}/mysql` });
    for (const statement of ['CREATE DATABASE probe', "CREATE USER probe@'%' IDENTIFIED BY 'p'", "GRANT ALL ON probe.* TO probe@'%'"])
      await run(root, statement);
    const address = new URL(server.url);
    const knex = openDatabase({ url: `mysql://probe:p@${address.host}/probe` });
    expect(await answersOf(knex, (on) => run(root, `SET GLOBAL read_only = ${on ? 1 : 0}`))).toEqual([true, false, true]);
    await Promise.all([root.destroy(), knex.destroy()]);
    await server.stop();
  },
  START_MS,
);
