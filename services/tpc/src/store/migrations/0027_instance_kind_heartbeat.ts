import { dialectOf } from '@tpc/core';
import type { MigrationStep } from './table.ts';

const COLUMNS = 'kind, heartbeat_at';

/**
 * Dead instances of consumers are removed long before those of producers, so the index by which they are found leads with the kind. Under its old name.
 * Instant: the table is small. Harmless when it runs again.
 */
export const instanceKindHeartbeat: MigrationStep = {
  name: '0027_instance_kind_heartbeat',
  up: async (db) => {
    if (dialectOf(db).name === 'mysql') {
      await db.raw(`ALTER TABLE instance DROP INDEX instance_heartbeat, ADD INDEX instance_heartbeat (${COLUMNS})`);
      return;
    }
    await db.raw('DROP INDEX IF EXISTS instance_heartbeat');
    await db.raw(`CREATE INDEX instance_heartbeat ON instance (${COLUMNS})`);
  },
};
