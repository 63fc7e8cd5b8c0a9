import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  classifySqlError,
  durabilityWarnings,
  inPacketTransaction,
  inTransaction,
  type Migrations,
  migrate,
  pendingMigrations,
  placeholders,
  run,
} from '@tpc/core';
import type { Knex } from 'knex';
import { describe, expect, it } from 'vitest';
import { createTestDatabase } from '../../../../test/support/mariadb.ts';
import { StartError } from '../errors.ts';
import { openDatabase } from './open-database.ts';

const tables: Migrations = {
  tableName: 'test_migrations',
  list: [
    { name: '0001_a', up: (knex) => knex.schema.createTable('a', (table) => table.integer('id').primary()) },
    { name: '0002_b', up: (knex) => knex.schema.createTable('b', (table) => table.integer('id').primary()) },
  ],
};

const sqlite = async () => ({ url: `sqlite:${join(mkdtempSync(join(tmpdir(), 'tpc-sql-')), 'new-folder', 'x.db')}`, drop: async () => undefined });
const databases = [
  ['SQLite', sqlite],
  ['MariaDB', createTestDatabase],
] as const;

describe.each(databases)('database: %s', (_name, make) => {
  it('migrates once, also when two do it at once', async () => {
    const { url, drop } = await make();
    const one = openDatabase({ url });
    const two = url.startsWith('sqlite') ? one : openDatabase({ url });
    expect(await pendingMigrations(one, tables)).toEqual(['0001_a', '0002_b']);
    await Promise.all([migrate(one, tables), one === two ? undefined : migrate(two, tables)]);
    await migrate(two, tables);
    expect(await pendingMigrations(one, tables)).toEqual([]);
    await one.destroy();
    await two.destroy();
    await drop();
  });

  it('holds its lock through a change that takes longer than an idle transaction may', async () => {
    const { url, drop } = await make();
    if (url.startsWith('sqlite')) return drop();
    const knex = openDatabase({ url, idleTransactionS: 1 });
    let holder: unknown;
    const up = async (within: Knex) => {
      await within.raw('DO SLEEP(2)');
      holder = (await within.raw("SELECT IS_USED_LOCK(CONCAT(DATABASE(), ':migrate:test_migrations')) AS session"))[0][0].session;
    };
    await migrate(knex, { ...tables, list: [{ name: '0001_slow', up }] });
    expect(holder).toEqual(expect.any(Number));
    await knex.destroy();
    return drop();
  });

  it('migrates after a process died while it held the lock row', async () => {
    const { url, drop } = await make();
    const knex = openDatabase({ url });
    await migrate(knex, { ...tables, list: tables.list.slice(0, 1) });
    await run(knex, 'UPDATE test_migrations_lock SET is_locked = 1');
    await migrate(knex, tables);
    expect(await pendingMigrations(knex, tables)).toEqual([]);
    await knex.destroy();
    await drop();
  });

  it('leaves a newer schema alone', async () => {
    const { url, drop } = await make();
    const knex = openDatabase({ url });
    await migrate(knex, tables);
    const older = { ...tables, list: tables.list.slice(0, 1) };
    await migrate(knex, older);
    expect(await pendingMigrations(knex, older)).toEqual([]);
    await knex.destroy();
    await drop();
  });

  it('says whether its settings can lose a commit', async () => {
    const { url, drop } = await make();
    const knex = openDatabase({ url });
    expect(await durabilityWarnings(knex)).toEqual([]);
    await knex.destroy();
    await drop();
  });
});

describe('openDatabase', () => {
  it('prepares each session: UTC, READ COMMITTED, short waits', async () => {
    const { url, drop } = await createTestDatabase();
    const knex = openDatabase({ url, lockWaitS: 1, idleTransactionS: 7 });
    const names = ['version', 'time_zone', 'tx_isolation', 'transaction_isolation', 'innodb_lock_wait_timeout', 'idle_transaction_timeout'];
    const sql = `SHOW SESSION VARIABLES WHERE Variable_name IN (${placeholders(names.length)})`;
    const { rows } = await run<{ Variable_name: string; Value: string }>(knex, sql, names);
    const { version, tx_isolation, ...is } = Object.fromEntries(rows.map(({ Variable_name, Value }) => [Variable_name, Value]));
    const common = { transaction_isolation: 'READ-COMMITTED', time_zone: '+00:00', innodb_lock_wait_timeout: '1' };
    // MySQL has no such time-out, and the newer name for the isolation alone.
    const wanted = version?.includes('MariaDB') ? { ...common, idle_transaction_timeout: '7' } : common;
    expect({ transaction_isolation: tx_isolation, ...is }).toEqual(wanted);
    await knex.destroy();
    await drop();
  });

  it('uses no session again whose server has become read-only: the name may lead to another primary by now', async () => {
    const { url, drop } = await createTestDatabase();
    const knex = openDatabase({ url, poolMax: 1 });
    const session = async () => (await run<{ id: number }>(knex, 'SELECT CONNECTION_ID() AS id')).rows[0]?.id;
    const before = await session();
    expect(await session()).toBe(before);
    const refused = run(knex, "SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1290, MESSAGE_TEXT = 'read only'");
    expect(await refused.catch(classifySqlError)).toBe('read_only');
    expect(await session()).not.toBe(before);
    await knex.destroy();
    await drop();
  });

  it('gives up a statement that gets no answer, and its session with it', async () => {
    const { url, drop } = await createTestDatabase();
    const knex = openDatabase({ url, poolMax: 1, statementLimitMs: 200 });
    expect(await run(knex, 'SELECT SLEEP(60)').catch(classifySqlError)).toBe('connection');
    expect((await run(knex, 'SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    await knex.destroy();
    await drop();
  });

  it('gives up a statement of a transaction that gets no answer, and its session with it', async () => {
    const { url, drop } = await createTestDatabase();
    const knex = openDatabase({ url, poolMax: 1, statementLimitMs: 200 });
    const sleep = { sql: 'SELECT SLEEP(60)', params: [] };
    expect(await inPacketTransaction(knex, (tx) => tx.query(sleep)).catch(classifySqlError)).toBe('connection');
    expect(await inTransaction(knex, (tx) => run(tx, sleep.sql)).catch(classifySqlError)).toBe('connection');
    expect((await run(knex, 'SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    await knex.destroy();
    await drop();
  });

  it('lets a change of the schema take its time', async () => {
    const { url, drop } = await createTestDatabase();
    const knex = openDatabase({ url, poolMax: 2, statementLimitMs: 200 });
    const slow = { name: '0001_slow', up: (within: Knex) => within.raw('CREATE TABLE slow AS SELECT SLEEP(0.5) AS slept') };
    await migrate(knex, { ...tables, list: [slow] });
    expect((await run(knex, 'SELECT slept FROM slow')).rows).toEqual([{ slept: 0 }]);
    await knex.destroy();
    await drop();
  });

  it('names a folder that cannot be made', () => {
    const file = join(mkdtempSync(join(tmpdir(), 'tpc-sql-')), 'file');
    writeFileSync(file, '');
    expect(() => openDatabase({ url: `sqlite:${file}/sub/x.db` })).toThrow(StartError);
    expect(() => openDatabase({ url: `sqlite:${file}/sub/x.db` })).toThrow(`folder ${file}/sub cannot be written`);
  });

  it('refuses an address of no known kind without repeating it', () => {
    expect(() => openDatabase({ url: 'postgres://u:secret@h/d' })).toThrow(/^bad database address: expected/);
  });
});
