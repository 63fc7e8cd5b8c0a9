import { setTimeout as sleep } from 'node:timers/promises';
import { checkSessionsOf, dialectOf, run, underServerLock } from '@tpc/core';
import type { Knex } from 'knex';
import type { MigrationStep } from './step.ts';
import { STEPS } from './steps.ts';

/** The library's own list of migrations done, beside the user's `knex_migrations`. */
export const MIGRATION_TABLE = 'tpc_client_migrations';

const LOCK_WAIT_SECONDS = 60;
const SQLITE_RETRY_MS = 50;

/** The steps as knex reads them: names without extension, so that source and build count as the same. */
export const clientMigrationSource: Knex.MigrationSource<MigrationStep> = {
  getMigrations: () => Promise.resolve([...STEPS]),
  getMigrationName: (step) => step.name,
  getMigration: (step) =>
    Promise.resolve({
      up: async (db) => {
        const { unlessColumn } = step;
        if (unlessColumn !== undefined && (await db.schema.hasColumn(unlessColumn.table, unlessColumn.column))) return;
        for (const statement of dialectOf(db).name === 'mysql' ? [step.mysql] : step.sqlite) await db.raw(statement);
      },
      down: () => Promise.reject(new Error('The tables of @tpc/client go forward only.')),
    }),
};

/**
 * Makes or brings up to date the tables of the client library (`tpc_outbox`, `tpc_inbox` and so on) in the database of `knex`. May be called
 * at each start, by several processes at once; a process that died in the middle does no harm.
 * @throws Error when another process holds the migrations for more than a minute, UnsuitableSession, or an error of the database
 */
export async function migrateClientStore(knex: Knex): Promise<void> {
  checkSessionsOf(knex);
  await run(knex, 'SELECT 1'); // fails on a session that does not suit, before anything is made
  if (dialectOf(knex).name === 'mysql') await migrateUnderServerLock(knex);
  else await migrateSqlite(knex);
}

/**
 * Names of the steps that the database still lacks, for services that only compare at start. A newer schema is fine.
 * @throws Error of the database
 */
export async function pendingClientMigrations(knex: Knex): Promise<string[]> {
  const names = STEPS.map((step) => step.name);
  if (!(await knex.schema.hasTable(MIGRATION_TABLE))) return names;
  const done = new Set<string>(await knex(MIGRATION_TABLE).pluck('name'));
  return names.filter((name) => !done.has(name));
}

/** Runs what is not done yet. An older library on a newer schema is no error: steps only widen. */
function latest(knex: Knex): Promise<unknown> {
  return knex.migrate.latest({
    migrationSource: clientMigrationSource,
    tableName: MIGRATION_TABLE,
    disableMigrationsListValidation: true,
  });
}

/**
 * MySQL: a named lock of the server, which is gone when its connection is. Knex's own lock row stays when its process dies; under the named
 * lock it can only be left over, so it is freed.
 */
async function migrateUnderServerLock(knex: Knex): Promise<void> {
  const pool = (knex.client as { pool?: { max: number } }).pool;
  if (pool !== undefined && pool.max < 2) throw new Error('migrateClientStore needs a pool of at least 2 connections on MySQL and MariaDB.');
  const lock = "CONCAT('tpc_client:', LEFT(SHA2(DATABASE(), 256), 40))";
  const refusal = 'Another process has held the migrations of @tpc/client for more than a minute.';
  await underServerLock(knex, { lock: { sql: lock, params: [] }, waitS: LOCK_WAIT_SECONDS, refusal }, async () => {
    await knex.migrate.forceFreeMigrationsLock({ tableName: MIGRATION_TABLE });
    await latest(knex);
  });
}

/** SQLite: all steps and knex's lock row are one transaction. Two processes at once: one is refused as busy and comes again. */
async function migrateSqlite(knex: Knex): Promise<void> {
  const deadline = performance.now() + LOCK_WAIT_SECONDS * 1000;
  for (;;) {
    try {
      await makeKnexTables(knex);
      await latest(knex);
      return;
    } catch (error) {
      if (!isBusy(error) || performance.now() > deadline) throw error;
      await sleep(SQLITE_RETRY_MS);
    }
  }
}

/** Knex looks whether its tables are there and makes them in two steps; two processes at once would end with two lock rows and stay locked. */
async function makeKnexTables(knex: Knex): Promise<void> {
  await knex.raw(
    `CREATE TABLE IF NOT EXISTS ${MIGRATION_TABLE} (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, name VARCHAR(255), batch INTEGER, migration_time DATETIME)`,
  );
  await knex.raw(`CREATE TABLE IF NOT EXISTS ${MIGRATION_TABLE}_lock ("index" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, is_locked INTEGER)`);
  await knex.raw(`INSERT INTO ${MIGRATION_TABLE}_lock ("index", is_locked) SELECT 1, 0 WHERE NOT EXISTS (SELECT 1 FROM ${MIGRATION_TABLE}_lock)`);
}

function isBusy(error: unknown): boolean {
  const { code, message, name } = error as { code?: string; message?: string; name?: string };
  return String(code).startsWith('SQLITE_BUSY') || name === 'MigrationLocked' || /already locked|database is locked/.test(String(message));
}
