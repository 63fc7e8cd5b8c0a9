import { migrateClientStore, pendingClientMigrations } from '@tpc/client/consumer';
import { migrate, pendingMigrations } from '@tpc/core';
import { durabilityWarnings, type Log, StartError } from '@tpc/platform';
import type { Knex } from 'knex';
import { opcMigrations } from './store/migrations/index.ts';

/**
 * Brings the database up to date (`auto`) or looks whether it is (`check`), and warns of settings that could lose a commit.
 * @throws StartError when the database cannot be had, or a migration is missing
 */
export async function prepareStore(knex: Knex, options: { migrate: 'auto' | 'check'; log: Log }): Promise<void> {
  const missing = await reach(async () => {
    for (const warning of await durabilityWarnings(knex)) options.log.warn({}, warning);
    if (options.migrate === 'check') return [...(await pendingClientMigrations(knex)), ...(await pendingMigrations(knex, opcMigrations))];
    await migrateClientStore(knex);
    await migrate(knex, opcMigrations);
    return [];
  });
  if (missing.length > 0)
    throw new StartError(`MIGRATE=check: the database of OPC_DATABASE_URL lacks ${missing.join(', ')}; start once with MIGRATE=auto`);
}

async function reach<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const { code, message } = cause as { code?: string; message?: string };
    throw new StartError(`OPC_DATABASE_URL: the database cannot be used: ${[code, message].filter(Boolean).join(' ')}`, { cause });
  }
}
