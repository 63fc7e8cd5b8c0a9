-- inbox of the TPC client, MySQL 8 and MariaDB 10.6 or newer. What each column means: the README of @tpc/client.

CREATE TABLE IF NOT EXISTS tpc_store_meta (
  id SMALLINT NOT NULL,
  store_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  epoch BIGINT NOT NULL DEFAULT 0,
  epoch_at BIGINT NULL,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

INSERT INTO tpc_store_meta (id, store_id, created_at)
SELECT 1, LEFT(SHA2(CONCAT(UUID(), RAND(), CONNECTION_ID()), 256), 32), TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(3)) DIV 1000 FROM DUAL
WHERE NOT EXISTS (SELECT 1 FROM tpc_store_meta WHERE id = 1);

CREATE TABLE IF NOT EXISTS tpc_inbox (
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
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS tpc_inbox_effect (
  consumer_group VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  message_key VARCHAR(160) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  generation INT NOT NULL DEFAULT 1,
  effect_key VARCHAR(255) NOT NULL,
  state SMALLINT NOT NULL,
  payload BLOB NULL,
  attempts INT NOT NULL DEFAULT 0,
  claim VARCHAR(36) CHARACTER SET ascii COLLATE ascii_bin NULL,
  lease_until BIGINT NULL,
  result VARCHAR(1024) NOT NULL DEFAULT '',
  reason VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
  last_error VARCHAR(1024) NOT NULL DEFAULT '',
  created_at BIGINT NOT NULL,
  finished_at BIGINT NULL,
  deferrals INT NOT NULL DEFAULT 0,
  waits_for VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
  PRIMARY KEY (consumer_group, message_key, generation, effect_key),
  KEY tpc_inbox_effect_state (consumer_group, state)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

ALTER TABLE tpc_inbox DROP INDEX tpc_inbox_due, ADD INDEX tpc_inbox_due (consumer_group, topic, claim, due_at);
