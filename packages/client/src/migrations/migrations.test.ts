import { readFileSync } from 'node:fs';
import type { Knex } from 'knex';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { STORES, type TestStore } from '../../test/stores.ts';
import { MIGRATION_TABLE, migrateClientStore, pendingClientMigrations, plainSql, readStoreMeta, renewStoreId } from './index.ts';

const TABLES = ['tpc_outbox', 'tpc_outbox_order', 'tpc_store_meta', 'tpc_inbox', 'tpc_inbox_effect'];

async function schema(knex: Knex): Promise<Record<string, unknown>> {
  if (knex.client.driverName === 'better-sqlite3') {
    const rows = await knex('sqlite_master').where('name', 'like', 'tpc\\_%').orWhere('name', 'like', 'tpc%').select('name', 'sql').orderBy('name');
    return Object.fromEntries(rows.filter((row) => !row.name.startsWith(MIGRATION_TABLE)).map((row) => [row.name, row.sql]));
  }
  const made: Record<string, unknown> = {};
  for (const table of TABLES) made[table] = (await knex.raw(`SHOW CREATE TABLE ${table}`))[0][0]['Create Table'];
  return made;
}

describe.each(STORES)('migrations on %s', (_name, open) => {
  let store: TestStore;
  beforeEach(async () => {
    store = await open();
  });
  afterEach(() => store.drop());

  it('makes every table, and changes nothing when run again', async () => {
    await migrateClientStore(store.knex);
    const before = await schema(store.knex);
    const meta = await readStoreMeta(store.knex);
    await migrateClientStore(store.knex);
    expect(await schema(store.knex)).toEqual(before);
    expect(await readStoreMeta(store.knex)).toEqual(meta);
    expect(Object.keys(before)).toEqual(expect.arrayContaining(TABLES));
  });

  it('lists what a database still lacks, and nothing once it is up to date', async () => {
    expect(await pendingClientMigrations(store.knex)).toHaveLength(9);
    await migrateClientStore(store.knex);
    expect(await pendingClientMigrations(store.knex)).toEqual([]);
    await store.knex(MIGRATION_TABLE).insert({ name: '9999_of_a_newer_library' });
    await store.knex(MIGRATION_TABLE).where({ name: '0006_inbox_effect' }).delete();
    expect(await pendingClientMigrations(store.knex)).toEqual(['0006_inbox_effect']);
    await migrateClientStore(store.knex);
  });

  it('is safe when several processes migrate at the same moment', async () => {
    await Promise.all([store.knex, store.second(), store.second()].map((knex) => migrateClientStore(knex)));
    expect(await store.knex('tpc_store_meta')).toHaveLength(1);
    expect(await store.knex(MIGRATION_TABLE)).toHaveLength(9);
    expect(await store.knex(`${MIGRATION_TABLE}_lock`)).toHaveLength(1);
    await migrateClientStore(store.second());
  });

  it('goes on where a process died between a table and its record', async () => {
    await migrateClientStore(store.knex);
    const before = await schema(store.knex);
    await store.knex(MIGRATION_TABLE).where('name', '>=', '0004').delete();
    if (store.knex.client.driverName === 'mysql2') await store.knex(`${MIGRATION_TABLE}_lock`).update({ is_locked: 1 });
    await migrateClientStore(store.knex);
    expect(await schema(store.knex)).toEqual(before);
    expect(await store.knex('tpc_store_meta')).toHaveLength(1);
  });

  it('gives an outbox that was made without it the column of the group; its rows stay, and name none', async () => {
    await migrateClientStore(store.knex);
    const insert = 'INSERT INTO tpc_outbox (message_key, state, created_at, due_at) VALUES (?, 10, 1, 1)';
    await store.knex.raw(store.knex.client.driverName === 'mysql2' ? 'DROP INDEX tpc_outbox_due ON tpc_outbox' : 'DROP INDEX tpc_outbox_due');
    await store.knex.raw('ALTER TABLE tpc_outbox DROP COLUMN producer_group');
    await store.knex.raw('CREATE INDEX tpc_outbox_due ON tpc_outbox (due_at)');
    await store.knex.raw(insert, ['of before']);
    await store.knex(MIGRATION_TABLE).where('name', '0008_outbox_group').delete();
    await migrateClientStore(store.knex);
    expect(await store.knex('tpc_outbox').select('message_key', 'producer_group')).toEqual([{ message_key: 'of before', producer_group: '' }]);
    // The previous build still writes.
    await store.knex.raw(insert, ['of the previous build']);
  });

  it('gives each database an id of its own, which can be renewed', async () => {
    await migrateClientStore(store.knex);
    const { storeId, epoch } = await readStoreMeta(store.knex);
    expect(storeId).toMatch(/^[0-9a-f]{32}$/);
    expect(epoch).toBe(0);
    const renewed = await renewStoreId(store.knex);
    expect(renewed).not.toBe(storeId);
    expect((await readStoreMeta(store.knex)).storeId).toBe(renewed);
  });

  it('says what to do when the tables were never made', async () => {
    await migrateClientStore(store.knex);
    await store.knex('tpc_store_meta').delete();
    await expect(readStoreMeta(store.knex)).rejects.toThrow(/migrateClientStore/);
    await expect(renewStoreId(store.knex)).rejects.toThrow(/migrateClientStore/);
  });

  it('makes the same schema as the plain SQL files', async () => {
    const dialect = store.knex.client.driverName === 'mysql2' ? 'mysql' : 'sqlite';
    await migrateClientStore(store.knex);
    const migrated = await schema(store.knex);
    const other = await open();
    try {
      for (const part of ['outbox', 'inbox']) {
        const text = readFileSync(new URL(`../../sql/${part}.${dialect}.sql`, import.meta.url), 'utf8');
        for (const statement of text.replace(/^--.*$/gm, '').split(';')) if (statement.trim() !== '') await other.knex.raw(statement.trim());
      }
      expect(await schema(other.knex)).toEqual(migrated);
      expect((await readStoreMeta(other.knex)).storeId).toMatch(/^[0-9a-f]{32}$/);
    } finally {
      await other.drop();
    }
  });
});

describe('plain SQL files', () => {
  it.each([
    ['outbox', 'mysql'],
    ['outbox', 'sqlite'],
    ['inbox', 'mysql'],
    ['inbox', 'sqlite'],
  ] as const)('%s.%s.sql is what the migrations say', (part, dialect) => {
    expect(readFileSync(new URL(`../../sql/${part}.${dialect}.sql`, import.meta.url), 'utf8')).toBe(plainSql(part, dialect));
  });
});
