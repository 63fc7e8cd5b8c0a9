import type { MigrationStep } from './table.ts';

/**
 * What is wrong with what the live instances of a consumer group take (consumer-groups/subscription-faults.ts), as lists in JSON; NULL: nothing. Written by
 * the review alone. Instant on MySQL and MariaDB; harmless when it runs again.
 */
export const subscriptionFaults: MigrationStep = {
  name: '0028_subscription_faults',
  up: async (db) => {
    for (const column of ['differing', 'untaken']) {
      if (await db.schema.hasColumn('consumer_group', column)) continue;
      await db.raw(`ALTER TABLE consumer_group ADD COLUMN ${column} MEDIUMTEXT NULL`);
    }
  },
};
