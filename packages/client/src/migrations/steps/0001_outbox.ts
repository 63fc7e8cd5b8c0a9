import type { MigrationStep } from '../step.ts';

/**
 * The outbox: one row per event, written in the business transaction. The row is the truth about whether that transaction committed.
 *
 * state: 10 pending (TPC has not acknowledged the commit), 20 acknowledged, 90 rolled back (the barrier: no business transaction wrote
 * this key, and none can any more). settled_at is when 20 or 90 was reached. due_at is when the sweeper looks next (NULL: never); claim and
 * due_at together are a sweeper's lease. Times are UTC milliseconds of the database.
 *
 * producer_group is who wrote the row: several groups may share a database, and each sweeps and judges its own. A table that was made without it
 * gets it by 0008.
 *
 * Index: (producer_group, due_at) serves the sweeper. Each further one is paid for by every business transaction, and again by every acknowledgement that changes it.
 */
export const outbox: MigrationStep = {
  name: '0001_outbox',
  mysql: `CREATE TABLE IF NOT EXISTS tpc_outbox (
  message_key VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  producer_group VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
  state SMALLINT NOT NULL,
  send_type SMALLINT NOT NULL DEFAULT 1,
  topic VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
  tag VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
  body LONGBLOB NULL,
  content_type VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
  headers BLOB NULL,
  order_key VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
  order_seq BIGINT NULL,
  delay_ms BIGINT NULL,
  deliver_at BIGINT NULL,
  traceparent VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
  tracestate VARCHAR(512) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
  created_at BIGINT NOT NULL,
  settled_at BIGINT NULL,
  due_at BIGINT NULL,
  claim VARCHAR(36) CHARACTER SET ascii COLLATE ascii_bin NULL,
  attempts INT NOT NULL DEFAULT 0,
  reason VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
  last_error VARCHAR(1024) NOT NULL DEFAULT '',
  PRIMARY KEY (message_key),
  KEY tpc_outbox_due (producer_group, due_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin`,
  sqlite: [
    `CREATE TABLE IF NOT EXISTS tpc_outbox (
  message_key TEXT NOT NULL PRIMARY KEY,
  producer_group TEXT NOT NULL DEFAULT '',
  state INTEGER NOT NULL,
  send_type INTEGER NOT NULL DEFAULT 1,
  topic TEXT NOT NULL DEFAULT '',
  tag TEXT NOT NULL DEFAULT '',
  body BLOB NULL,
  content_type TEXT NOT NULL DEFAULT '',
  headers BLOB NULL,
  order_key TEXT NOT NULL DEFAULT '',
  order_seq INTEGER NULL,
  delay_ms INTEGER NULL,
  deliver_at INTEGER NULL,
  traceparent TEXT NOT NULL DEFAULT '',
  tracestate TEXT NOT NULL DEFAULT '',
  created_at INTEGER NOT NULL,
  settled_at INTEGER NULL,
  due_at INTEGER NULL,
  claim TEXT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  reason TEXT NOT NULL DEFAULT '',
  last_error TEXT NOT NULL DEFAULT ''
)`,
    'CREATE INDEX IF NOT EXISTS tpc_outbox_due ON tpc_outbox (producer_group, due_at)',
  ],
};
