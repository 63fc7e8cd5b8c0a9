import { type DatabaseFinding, databaseFindings, durabilityWarnings, type Migrations, migrate, pendingMigrations } from '@tpc/core';
import type { Knex } from 'knex';
import { SchemaBehind, StartError, UnsuitableDatabase } from '../errors.ts';
import type { MigrateMode } from '../host/config.ts';
import type { Log } from '../log/log.ts';
import { whenDatabaseAnswers } from './database-failures.ts';
import { openDatabase } from './open-database.ts';

/** A part of a database's schema that is brought up to date by itself: a service's own tables, or a library's. */
export type Schema = {
  migrate: (knex: Knex) => Promise<void>;
  /** Names of migrations that the database lacks. */
  pending: (knex: Knex) => Promise<string[]>;
};

export type PrepareDatabase = {
  /** Name of the setting with the address, for error lines. */
  setting: string;
  /** auto: missing migrations run; check: they refuse the start; wait: another makes them. */
  mode: MigrateMode;
  /** In the order in which they are made. */
  schemas: readonly Schema[];
  log: Log;
};

/** The schema of a list of migrations. */
export function schemaOf(migrations: Migrations): Schema {
  return { migrate: (knex) => migrate(knex, migrations), pending: (knex) => pendingMigrations(knex, migrations) };
}

/**
 * Brings a database up to date, or looks whether it is, and warns of settings that could lose a commit. Waits while the database is away, and with
 * mode `wait` while it lacks a migration.
 * @param stopping ends the waiting
 * @throws StartError when a migration is missing that may not be run, or the setting leads to no database that can be used
 */
export async function prepareDatabase(knex: Knex, options: PrepareDatabase & { url: string; stopping?: AbortSignal | undefined }): Promise<void> {
  await whenDatabaseAnswers(async () => {
    const refusing = (await bringUpToDate(knex, options)).filter(({ refuses }) => refuses);
    if (refusing.length > 0) throw new UnsuitableDatabase(...refusing.map(({ line }) => line));
  }, options);
}

/**
 * As prepareDatabase, for who waits in its own way and decides about what was found.
 * @returns what a person should know of the database; all of it is in the log, too
 * @throws StartError when a migration is missing that may not be run, SchemaBehind with mode `wait`; else the database's error
 */
export async function bringUpToDate(knex: Knex, { setting, mode, schemas, log }: PrepareDatabase): Promise<DatabaseFinding[]> {
  const lacking: string[] = [];
  for (const schema of schemas) {
    if (mode === 'auto') await schema.migrate(knex);
    else lacking.push(...(await schema.pending(knex)));
  }
  if (lacking.length > 0 && mode === 'wait') throw new SchemaBehind(setting, lacking);
  if (lacking.length > 0) throw new StartError(`MIGRATE=check: the database of ${setting} lacks ${lacking.join(', ')}; start once with MIGRATE=auto`);
  for (const warning of await durabilityWarnings(knex)) log.warn({ warning }, 'the database may lose commits');
  const findings = await databaseFindings(knex);
  for (const { line } of findings) log.warn({ setting, finding: line }, 'the database is not as it should be');
  return findings;
}

/**
 * Brings a database up to date and does nothing else: a Job beside replicas that wait for it. Any number may run at once, and beside older versions.
 * @throws StartError when the setting leads to no database that can be used, or it was told to stop before the end
 */
export async function migrateDatabase(options: Omit<PrepareDatabase, 'mode'> & { url: string; stopping: AbortSignal }): Promise<void> {
  const { url, setting, stopping, log } = options;
  const knex = openDatabase({ url, setting });
  try {
    await whenDatabaseAnswers(() => bringUpToDate(knex, { ...options, mode: 'auto' }), options);
    log.info({ setting }, 'the database is up to date');
  } catch (cause) {
    // Ended well it would count as done.
    if (stopping.aborted) throw new StartError(`${setting}: told to stop before the database was up to date`, { cause });
    throw cause;
  } finally {
    await knex.destroy();
  }
}
