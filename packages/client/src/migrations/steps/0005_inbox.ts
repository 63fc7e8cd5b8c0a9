import type { MigrationStep } from '../step.ts';

/**
 * The inbox: one row per consumer group, message key and generation. The row is the truth about whether the group has handled it.
 *
 * state: 10 received, 30 consumed, 50 dead. due_at is when the handler may have it next (NULL: no more); a claim moves it on, which is the
 * lease, and leaves its token in claim until there is an outcome: a due row with a claim lost its process, and is handled alone. lone_claims
 * counts such lone claims without outcome (POISON). attempts counts the handler's tries.
 *
 * Reports to TPC: report_kind is what TPC must still hear (1 received, 2 consumed, 3 failed), reported_kind what it has
 * acknowledged, report_due_at when the sweep repeats it (NULL: nothing to repeat).
 *
 * A message key may be longer than a producer's: TPC adds "#" and 16 digits to one that came with other content.
 * Indexes: (consumer_group, due_at) claim; report_due_at sweep of reports; (consumer_group, received_at) lists, newest first. Each further one is paid for
 * by every message, and several times over where handling changes it.
 */
export const inbox: MigrationStep = {
  name: '0005_inbox',
  mysql: `CREATE TABLE IF NOT EXISTS tpc_inbox (
  consumer_group VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  message_key VARCHAR(160) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  generation INT NOT NULL DEFAULT 1,
  state SMALLINT NOT NULL,
  producer_group VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
  broker_message_id VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
  topic VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
  tag VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
  body LONGBLOB NULL,
  content_type VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
  headers BLOB NULL,
  traceparent VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
  tracestate VARCHAR(512) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
  attempts INT NOT NULL DEFAULT 0,
  lone_claims INT NOT NULL DEFAULT 0,
  open_effects INT NOT NULL DEFAULT 0,
  due_at BIGINT NULL,
  claim VARCHAR(36) CHARACTER SET ascii COLLATE ascii_bin NULL,
  reason VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
  last_error VARCHAR(1024) NOT NULL DEFAULT '',
  received_at BIGINT NOT NULL,
  finished_at BIGINT NULL,
  report_kind SMALLINT NOT NULL DEFAULT 1,
  reported_kind SMALLINT NOT NULL DEFAULT 0,
  report_due_at BIGINT NULL,
  report_claim VARCHAR(36) CHARACTER SET ascii COLLATE ascii_bin NULL,
  report_attempts INT NOT NULL DEFAULT 0,
  reported_at BIGINT NULL,
  PRIMARY KEY (consumer_group, message_key, generation),
  KEY tpc_inbox_due (consumer_group, due_at),
  KEY tpc_inbox_report_due (report_due_at),
  KEY tpc_inbox_received (consumer_group, received_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin`,
  sqlite: [
    `CREATE TABLE IF NOT EXISTS tpc_inbox (
  consumer_group TEXT NOT NULL,
  message_key TEXT NOT NULL,
  generation INTEGER NOT NULL DEFAULT 1,
  state INTEGER NOT NULL,
  producer_group TEXT NOT NULL DEFAULT '',
  broker_message_id TEXT NOT NULL DEFAULT '',
  topic TEXT NOT NULL DEFAULT '',
  tag TEXT NOT NULL DEFAULT '',
  body BLOB NULL,
  content_type TEXT NOT NULL DEFAULT '',
  headers BLOB NULL,
  traceparent TEXT NOT NULL DEFAULT '',
  tracestate TEXT NOT NULL DEFAULT '',
  attempts INTEGER NOT NULL DEFAULT 0,
  lone_claims INTEGER NOT NULL DEFAULT 0,
  open_effects INTEGER NOT NULL DEFAULT 0,
  due_at INTEGER NULL,
  claim TEXT NULL,
  reason TEXT NOT NULL DEFAULT '',
  last_error TEXT NOT NULL DEFAULT '',
  received_at INTEGER NOT NULL,
  finished_at INTEGER NULL,
  report_kind INTEGER NOT NULL DEFAULT 1,
  reported_kind INTEGER NOT NULL DEFAULT 0,
  report_due_at INTEGER NULL,
  report_claim TEXT NULL,
  report_attempts INTEGER NOT NULL DEFAULT 0,
  reported_at INTEGER NULL,
  PRIMARY KEY (consumer_group, message_key, generation)
)`,
    'CREATE INDEX IF NOT EXISTS tpc_inbox_due ON tpc_inbox (consumer_group, due_at)',
    'CREATE INDEX IF NOT EXISTS tpc_inbox_report_due ON tpc_inbox (report_due_at)',
    'CREATE INDEX IF NOT EXISTS tpc_inbox_received ON tpc_inbox (consumer_group, received_at)',
  ],
};
