import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Knex } from 'knex';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { StartError } from '../errors.ts';
import { createLog } from '../log/log.ts';
import { openDatabase } from './open-database.ts';
import { migrateDatabase, prepareDatabase, schemaOf } from './prepare-database.ts';

const log = createLog({ service: 'test', level: 'silent', format: 'json' });
const one = schemaOf({ tableName: 'one', list: [{ name: '0001_a', up: (knex) => knex.raw('CREATE TABLE a (id INT)') }] });
const two = schemaOf({ tableName: 'two', list: [{ name: '0001_b', up: (knex) => knex.raw('CREATE TABLE b (id INT)') }] });
const URL = 'sqlite::memory:';
const options = (mode: 'auto' | 'check' | 'wait') => ({ setting: 'X_DATABASE_URL', url: URL, mode, schemas: [one, two], log });

let knex: Knex;
beforeEach(() => {
  knex = openDatabase({ url: URL });
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

it('waits for a database that is away until it is told to stop', async () => {
  const url = 'mysql://root@127.0.0.1:1/nothing';
  const absent = openDatabase({ url });
  const stopping = new AbortController();
  const waiting = prepareDatabase(absent, { ...options('auto'), url, stopping: stopping.signal });
  stopping.abort(new Error('told to stop'));
  await expect(waiting).rejects.toThrow('told to stop');
  await absent.destroy();
});

it('with wait changes nothing and goes on once another has brought the database up to date', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'tpc-wait-'));
  const url = `sqlite:${dir}/x.db`;
  const waiting = openDatabase({ url });
  const looked = Promise.withResolvers<void>();
  const watched = { ...two, pending: (db: Knex) => two.pending(db).finally(() => looked.resolve()) };
  const prepared = prepareDatabase(waiting, { ...options('wait'), schemas: [one, watched], url });
  await looked.promise;
  expect(await waiting.schema.hasTable('a')).toBe(false);
  const stopping = new AbortController().signal;
  for (const _time of [1, 2]) await migrateDatabase({ ...options('auto'), url, stopping });
  await prepared;
  expect(await waiting.schema.hasTable('b')).toBe(true);
  await waiting.destroy();
  rmSync(dir, { recursive: true, force: true });
});

it('a migration that is told to stop before its end has failed', async () => {
  const stopping = new AbortController();
  const url = 'mysql://root@127.0.0.1:1/nothing';
  const migrating = migrateDatabase({ ...options('auto'), url, stopping: stopping.signal });
  stopping.abort(new Error('told to stop'));
  await expect(migrating).rejects.toThrow(new StartError('X_DATABASE_URL: told to stop before the database was up to date'));
});
