import type { MigrationStep } from './table.ts';

/**
 * Whether a copy was noted as overdue: published long ago, and its group has not reported it. A message with such a copy and nothing worse has attention = 2
 * (overdue/mark-overdue.ts). The previous build leaves the mark of a copy that is received; nothing asks for it then. Instant on MySQL and MariaDB; harmless
 * when it runs again.
 */
export const confirmOverdue: MigrationStep = {
  name: '0025_confirm_overdue',
  up: async (db) => {
    if (await db.schema.hasColumn('confirm', 'overdue')) return;
    await db.raw('ALTER TABLE confirm ADD COLUMN overdue SMALLINT NOT NULL DEFAULT 0');
  },
};
