import { dialectOf } from '@tpc/core';
import type { Knex } from 'knex';

/**
 * The secret behind the page tokens of lists: one row, made by whoever starts first, so that a token is good on every replica and after a
 * restart. A new table; the previous build runs on beside it.
 */
export const pageTokenSecret = {
  name: '0001_page_token_secret',
  up: (db: Knex) =>
    dialectOf(db).name === 'mysql'
      ? db.raw(`CREATE TABLE IF NOT EXISTS opc_page_token_secret (
  id INT NOT NULL PRIMARY KEY,
  secret BINARY(32) NOT NULL,
  created_at BIGINT NOT NULL
) ENGINE=InnoDB`)
      : db.raw(`CREATE TABLE IF NOT EXISTS opc_page_token_secret (
  id INTEGER NOT NULL PRIMARY KEY,
  secret BLOB NOT NULL,
  created_at INTEGER NOT NULL
)`),
};
