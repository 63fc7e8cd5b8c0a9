import type { MigrationStep } from './table.ts';

/**
 * Whether a producer instance writes its group into its outbox rows, so that another group may share its database (register-producer.ts). Instances of before,
 * and those that the previous build notes, count as not. Instant on MySQL and MariaDB; harmless when it runs again.
 */
export const instanceNamesGroup: MigrationStep = {
  name: '0020_instance_names_group',
  up: async (db) => {
    if (await db.schema.hasColumn('instance', 'names_group')) return;
    await db.raw('ALTER TABLE instance ADD COLUMN names_group SMALLINT NOT NULL DEFAULT 0');
  },
};
