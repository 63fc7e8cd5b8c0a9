import type { MigrationStep } from './table.ts';

/**
 * What a consumer instance takes, topic by topic, with whether it is idle there (consumer-groups/live-instances.ts). NULL: an instance that does not tell,
 * or that the previous build has noted; it counts as a whole. Instant on MySQL and MariaDB; harmless when it runs again.
 */
export const instanceTopics: MigrationStep = {
  name: '0024_instance_topics',
  up: async (db) => {
    if (await db.schema.hasColumn('instance', 'topics')) return;
    await db.raw('ALTER TABLE instance ADD COLUMN topics MEDIUMTEXT NULL');
  },
};
