-- outbox of the TPC client, SQLite. What each column means: the README of @tpc/client.

CREATE TABLE IF NOT EXISTS tpc_outbox (
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
);

CREATE INDEX IF NOT EXISTS tpc_outbox_due ON tpc_outbox (producer_group, due_at);

CREATE TABLE IF NOT EXISTS tpc_outbox_order (
  topic TEXT NOT NULL,
  order_key TEXT NOT NULL,
  last_seq INTEGER NOT NULL,
  PRIMARY KEY (topic, order_key)
);

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
