-- outbox of the TPC client, MySQL 8 and MariaDB 10.6 or newer. What each column means: the README of @tpc/client.

CREATE TABLE IF NOT EXISTS tpc_outbox (
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
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS tpc_outbox_order (
  topic VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  order_key VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  last_seq BIGINT NOT NULL,
  PRIMARY KEY (topic, order_key)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

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
