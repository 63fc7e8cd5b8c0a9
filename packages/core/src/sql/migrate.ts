import type { Knex } from 'knex';
import { dialectOf } from './dialect.ts';
import { underServerLock } from './server-lock.ts';

/** A numbered, append-only list of schema changes. */
export type Migrations = {
  /** Table that records which ran; its own for each list, so that several lists share a database. */
  tableName: string;
  /** In order; names without extension, since knex stores the name and `.ts` and `.js` would differ. One DDL statement each. */
  list: readonly { name: string; up: (knex: Knex) => Promise<unknown> }[];
};

const LOCK_WAIT_S = 120;

/**
 * Brings a database to the newest schema. Safe to run twice, by two processes at once, and after a process died in the middle: on MySQL and
 * MariaDB an advisory lock, which ends with its session, guards the run; SQLite has one process a file. (knex's own lock row
 * would stay behind a killed process.) Needs two connections of the pool on MySQL.
 */
export async function migrate(knex: Knex, migrations: Migrations): Promise<void> {
  if (dialectOf(knex).name === 'sqlite') return latest(knex, migrations);
  const lock = `migrate:${migrations.tableName}`;
  const name = { sql: 'CONCAT(DATABASE(), ?)', params: [`:${lock}`] };
  const refusal = `another process migrates ${migrations.tableName} for more than ${LOCK_WAIT_S} s`;
  await underServerLock(knex, { lock: name, waitS: LOCK_WAIT_S, refusal }, () => latest(knex, migrations));
}

/**
 * Names of migrations that the database still lacks; for services that only compare. A newer schema (one that this build does not know) is fine:
 * migrations keep the previous build working.
 */
export async function pendingMigrations(knex: Knex, migrations: Migrations): Promise<string[]> {
  const names = migrations.list.map((migration) => migration.name);
  if (!(await knex.schema.hasTable(migrations.tableName))) return names;
  const done = new Set<string>(await knex(migrations.tableName).pluck('name'));
  return names.filter((name) => !done.has(name));
}

async function latest(knex: Knex, migrations: Migrations): Promise<void> {
  const config = knexConfig(migrations);
  await knex.migrate.forceFreeMigrationsLock(config);
  await knex.migrate.latest(config);
}

function knexConfig({ tableName, list }: Migrations): Knex.MigratorConfig {
  return {
    tableName,
    // A newer build's entries must not stop this one during a rollout.
    disableMigrationsListValidation: true,
    migrationSource: {
      getMigrations: async () => list.map((migration) => migration.name),
      getMigrationName: (name: string) => name,
      getMigration: async (name: string) => {
        const found = list.find((migration) => migration.name === name);
        if (!found) throw new Error(`no migration ${name} in ${tableName}`);
        // Forward only: a schema is never taken back (docs/adr).
        return { up: found.up, down: async () => undefined };
      },
    },
  };
}
