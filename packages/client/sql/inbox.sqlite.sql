-- inbox of the TPC client, SQLite. What each column means: the README of @tpc/client.

CREATE TABLE IF NOT EXISTS tpc_store_meta (
  id INTEGER NOT NULL PRIMARY KEY,
  store_id TEXT NOT NULL,
  epoch INTEGER NOT NULL DEFAULT 0,
  epoch_at INTEGER NULL,
  created_at INTEGER NOT NULL
);

INSERT INTO tpc_store_meta (id, store_id, created_at)
SELECT 1, lower(hex(randomblob(16))), CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)
WHERE NOT EXISTS (SELECT 1 FROM tpc_store_meta WHERE id = 1);

CREATE TABLE IF NOT EXISTS tpc_inbox (
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
);

CREATE INDEX IF NOT EXISTS tpc_inbox_due ON tpc_inbox (consumer_group, due_at);

CREATE INDEX IF NOT EXISTS tpc_inbox_report_due ON tpc_inbox (report_due_at);

CREATE INDEX IF NOT EXISTS tpc_inbox_received ON tpc_inbox (consumer_group, received_at);

CREATE TABLE IF NOT EXISTS tpc_inbox_effect (
  consumer_group TEXT NOT NULL,
  message_key TEXT NOT NULL,
  generation INTEGER NOT NULL DEFAULT 1,
  effect_key TEXT NOT NULL,
  state INTEGER NOT NULL,
  payload BLOB NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  claim TEXT NULL,
  lease_until INTEGER NULL,
  result TEXT NOT NULL DEFAULT '',
  reason TEXT NOT NULL DEFAULT '',
  last_error TEXT NOT NULL DEFAULT '',
  created_at INTEGER NOT NULL,
  finished_at INTEGER NULL,
  deferrals INTEGER NOT NULL DEFAULT 0,
  waits_for TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (consumer_group, message_key, generation, effect_key)
);

CREATE INDEX IF NOT EXISTS tpc_inbox_effect_state ON tpc_inbox_effect (consumer_group, state);

DROP INDEX IF EXISTS tpc_inbox_due;

CREATE INDEX tpc_inbox_due ON tpc_inbox (consumer_group, topic, claim, due_at);
