import { migrateClientStore, pendingClientMigrations } from '@tpc/client/producer';
import { migrate, pendingMigrations } from '@tpc/core';
import { durabilityWarnings, type Log, StartError } from '@tpc/platform';
import type { Knex } from 'knex';
import { uacMigrations } from './store/migrations/index.ts';

/**
 * Makes the database ready: UAC's tables and the client library's (outbox).
 * @param mode auto: missing migrations run; check: they refuse the start
 * @throws StartError when migrations are missing, or the database cannot be reached
 */
export async function prepareDatabase(db: Knex, mode: 'auto' | 'check', log: Log): Promise<void> {
  try {
    if (mode === 'check') await refusePending(db);
    else {
      await migrate(db, uacMigrations);
      await migrateClientStore(db);
    }
    for (const warning of await durabilityWarnings(db)) log.warn({ setting: warning }, 'database may lose commits');
  } catch (cause) {
    if (cause instanceof StartError) throw cause;
    throw new StartError(`UAC_DATABASE_URL: the database cannot be prepared: ${(cause as Error).message}`, { cause });
  }
}

async function refusePending(db: Knex): Promise<void> {
  const pending = [...(await pendingMigrations(db, uacMigrations)), ...(await pendingClientMigrations(db))];
  if (pending.length > 0) throw new StartError(`MIGRATE=check: the database lacks ${pending.join(', ')}; start once with MIGRATE=auto`);
}
