import { migrateClientStore, pendingClientMigrations } from '@tpc/client/consumer';
import { migrate, pendingMigrations } from '@tpc/core';
import { durabilityWarnings, type Log, StartError, whenDatabaseAnswers } from '@tpc/platform';
import type { Knex } from 'knex';
import { opcMigrations } from './store/migrations/index.ts';

export type PrepareOptions = {
  migrate: 'auto' | 'check';
  /** Its address, as in OPC_DATABASE_URL. */
  url: string;
  log: Log;
  /** Ends the waiting. */
  stopping?: AbortSignal | undefined;
};

/**
 * Brings the database up to date (`auto`) or looks whether it is (`check`), and warns of settings that could lose a commit.
 * Waits for it while it is away.
 * @throws StartError when the database refuses, or a migration is missing
 */
export async function prepareStore(knex: Knex, { migrate: mode, ...options }: PrepareOptions): Promise<void> {
  const prepare = async () => {
    for (const warning of await durabilityWarnings(knex)) options.log.warn({}, warning);
    if (mode === 'check') return [...(await pendingClientMigrations(knex)), ...(await pendingMigrations(knex, opcMigrations))];
    await migrateClientStore(knex);
    await migrate(knex, opcMigrations);
    return [];
  };
  const missing = await whenDatabaseAnswers(prepare, { setting: 'OPC_DATABASE_URL', ...options });
  if (missing.length > 0)
    throw new StartError(`MIGRATE=check: the database of OPC_DATABASE_URL lacks ${missing.join(', ')}; start once with MIGRATE=auto`);
}
