import type { MigrationStep } from '../step.ts';

/**
 * How often an effect was deferred, and what it waits for, for databases whose effects were made without (0006 has both by now). The previous build writes
 * neither, and its rows count as never deferred. One statement on MySQL and MariaDB, which adds the columns without a copy of the table.
 */
export const inboxEffectDeferrals: MigrationStep = {
  name: '0009_inbox_effect_deferrals',
  unlessColumn: { table: 'tpc_inbox_effect', column: 'waits_for' },
  mysql: `ALTER TABLE tpc_inbox_effect
  ADD COLUMN deferrals INT NOT NULL DEFAULT 0,
  ADD COLUMN waits_for VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT ''`,
  sqlite: [
    'ALTER TABLE tpc_inbox_effect ADD COLUMN deferrals INTEGER NOT NULL DEFAULT 0',
    "ALTER TABLE tpc_inbox_effect ADD COLUMN waits_for TEXT NOT NULL DEFAULT ''",
  ],
};
