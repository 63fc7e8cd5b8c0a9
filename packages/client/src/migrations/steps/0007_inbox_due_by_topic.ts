import type { MigrationStep } from '../step.ts';

const COLUMNS = 'consumer_group, topic, claim, due_at';

/**
 * The index of due rows leads with the topic, and keeps rows with a claim apart. So what a topic has due is found in its order (claim IS NULL), and what has
 * lost its process as well (claim IS NOT NULL: no more rows than are in memory somewhere), without a walk through the backlog of others. It keeps its
 * name, and the previous build finds its rows by it too. One statement on MySQL and MariaDB, online; harmless when it runs again.
 */
export const inboxDueByTopic: MigrationStep = {
  name: '0007_inbox_due_by_topic',
  mysql: `ALTER TABLE tpc_inbox DROP INDEX tpc_inbox_due, ADD INDEX tpc_inbox_due (${COLUMNS})`,
  sqlite: ['DROP INDEX IF EXISTS tpc_inbox_due', `CREATE INDEX tpc_inbox_due ON tpc_inbox (${COLUMNS})`],
};
