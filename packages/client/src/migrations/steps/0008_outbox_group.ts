import type { MigrationStep } from '../step.ts';

/**
 * The producer group of each outbox row, for databases whose outbox was made without it (0001 has it by now): several producer groups may share a database,
 * and each sweeps and judges its own rows. Rows from before name no group (''); store/claim-rows.ts says who takes them. The index of due rows
 * leads with the group and keeps its name; the previous build's rows name no group either. One statement on MySQL and MariaDB, which
 * rebuilds the index online.
 */
export const outboxGroup: MigrationStep = {
  name: '0008_outbox_group',
  unlessColumn: { table: 'tpc_outbox', column: 'producer_group' },
  mysql: `ALTER TABLE tpc_outbox
  ADD COLUMN producer_group VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '' AFTER message_key,
  DROP INDEX tpc_outbox_due, ADD INDEX tpc_outbox_due (producer_group, due_at)`,
  sqlite: [
    "ALTER TABLE tpc_outbox ADD COLUMN producer_group TEXT NOT NULL DEFAULT ''",
    'DROP INDEX IF EXISTS tpc_outbox_due',
    'CREATE INDEX tpc_outbox_due ON tpc_outbox (producer_group, due_at)',
  ],
};
