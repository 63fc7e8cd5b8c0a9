import { migrateClientStore, pendingClientMigrations } from '@tpc/client/producer';
import { migrate, pendingMigrations } from '@tpc/core';
import { durabilityWarnings, type Log, StartError, whenDatabaseAnswers } from '@tpc/platform';
import type { Knex } from 'knex';
import { uacMigrations } from './store/migrations/index.ts';

export type PrepareOptions = {
  /** auto: missing migrations run; check: they refuse the start. */
  mode: 'auto' | 'check';
  /** Its address, as in UAC_DATABASE_URL. */
  url: string;
  log: Log;
  /** Ends the waiting. */
  stopping?: AbortSignal | undefined;
};

/**
 * Makes the database ready: UAC's tables and the client library's (outbox). Waits for it while it is away.
 * @throws StartError when migrations are missing, or the database refuses
 */
export async function prepareDatabase(db: Knex, { mode, url, log, stopping }: PrepareOptions): Promise<void> {
  const prepare = async () => {
    if (mode === 'check') await refusePending(db);
    else {
      await migrate(db, uacMigrations);
      await migrateClientStore(db);
    }
    for (const warning of await durabilityWarnings(db)) log.warn({ setting: warning }, 'database may lose commits');
  };
  await whenDatabaseAnswers(prepare, { setting: 'UAC_DATABASE_URL', url, log, stopping });
}

async function refusePending(db: Knex): Promise<void> {
  const pending = [...(await pendingMigrations(db, uacMigrations)), ...(await pendingClientMigrations(db))];
  if (pending.length > 0) throw new StartError(`MIGRATE=check: the database lacks ${pending.join(', ')}; start once with MIGRATE=auto`);
}
