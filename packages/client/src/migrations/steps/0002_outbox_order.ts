import type { MigrationStep } from '../step.ts';

/**
 * One counter row per topic and order key. A business transaction raises it, and so holds its row lock until it commits: the order of the
 * numbers is the order of the commits.
 */
export const outboxOrder: MigrationStep = {
  name: '0002_outbox_order',
  mysql: `CREATE TABLE IF NOT EXISTS tpc_outbox_order (
  topic VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  order_key VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  last_seq BIGINT NOT NULL,
  PRIMARY KEY (topic, order_key)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin`,
  sqlite: [
    `CREATE TABLE IF NOT EXISTS tpc_outbox_order (
  topic TEXT NOT NULL,
  order_key TEXT NOT NULL,
  last_seq INTEGER NOT NULL,
  PRIMARY KEY (topic, order_key)
)`,
  ],
};
