import type { Knex } from 'knex';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { StartError } from '../errors.ts';
import { createLog } from '../log.ts';
import { openDatabase } from './open-database.ts';
import { type PrepareDatabase, prepareDatabase, schemaOf } from './prepare-database.ts';

const log = createLog({ service: 'test', level: 'silent', format: 'json' });
const one = schemaOf({ tableName: 'one', list: [{ name: '0001_a', up: (knex) => knex.raw('CREATE TABLE a (id INT)') }] });
const two = schemaOf({ tableName: 'two', list: [{ name: '0001_b', up: (knex) => knex.raw('CREATE TABLE b (id INT)') }] });
const options = (mode: 'auto' | 'check'): PrepareDatabase => ({ setting: 'X_DATABASE_URL', mode, schemas: [one, two], log });

let knex: Knex;
beforeEach(() => {
  knex = openDatabase({ url: 'sqlite::memory:' });
});
afterEach(() => knex.destroy());

it('with check names all that is missing and changes nothing; with auto makes it', async () => {
  const refused = prepareDatabase(knex, options('check'));
  await expect(refused).rejects.toBeInstanceOf(StartError);
  await expect(refused).rejects.toThrow('MIGRATE=check: the database of X_DATABASE_URL lacks 0001_a, 0001_b; start once with MIGRATE=auto');
  expect(await knex.schema.hasTable('a')).toBe(false);
  await prepareDatabase(knex, options('auto'));
  await prepareDatabase(knex, options('check'));
  expect(await knex.schema.hasTable('b')).toBe(true);
});

it('says in one line which setting leads to a database that is not there', async () => {
  const absent = openDatabase({ url: 'mysql://root@127.0.0.1:1/nothing' });
  const refused = prepareDatabase(absent, options('auto'));
  await expect(refused).rejects.toBeInstanceOf(StartError);
  await expect(refused).rejects.toThrow(/^X_DATABASE_URL: the database cannot be used: ECONNREFUSED/);
  await absent.destroy();
});
