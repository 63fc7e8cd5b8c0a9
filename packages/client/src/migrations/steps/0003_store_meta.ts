import type { MigrationStep } from '../step.ts';

/**
 * One row (id 1): the id of this database as an outbox and inbox, and the newest epoch of TPC that it has seen, with the time of the state that
 * TPC was restored to in it. TPC asks only instances on the same store id for the outcome of a message.
 */
export const storeMeta: MigrationStep = {
  name: '0003_store_meta',
  mysql: `CREATE TABLE IF NOT EXISTS tpc_store_meta (
  id SMALLINT NOT NULL,
  store_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  epoch BIGINT NOT NULL DEFAULT 0,
  epoch_at BIGINT NULL,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin`,
  sqlite: [
    `CREATE TABLE IF NOT EXISTS tpc_store_meta (
  id INTEGER NOT NULL PRIMARY KEY,
  store_id TEXT NOT NULL,
  epoch INTEGER NOT NULL DEFAULT 0,
  epoch_at INTEGER NULL,
  created_at INTEGER NOT NULL
)`,
  ],
};
