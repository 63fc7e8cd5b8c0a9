import { dialectOf } from '@tpc/core';
import type { Knex } from 'knex';

/** Column types in which MySQL, MariaDB and SQLite differ; SQLite compares bytes anyway. */
export type Columns = {
  /** Keys, hashes and codes in ASCII, compared byte by byte. */
  ascii: (length: number) => string;
  /** Text for people, compared byte by byte. */
  text: (length: number) => string;
  /** A SHA-256. */
  hash: string;
  /** End of CREATE TABLE. */
  end: string;
};

const MYSQL: Columns = {
  ascii: (length) => `VARCHAR(${length}) CHARACTER SET ascii COLLATE ascii_bin`,
  text: (length) => `VARCHAR(${length}) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin`,
  hash: 'BINARY(32)',
  end: ') ENGINE=InnoDB DEFAULT CHARSET=utf8mb4',
};

const SQLITE: Columns = { ascii: () => 'TEXT', text: () => 'TEXT', hash: 'BLOB', end: ')' };

/** A migration of one DDL statement, written once for all databases. */
export function ddl(name: string, statement: (columns: Columns) => string): { name: string; up: (knex: Knex) => Promise<unknown> } {
  return { name, up: (knex) => knex.raw(statement(dialectOf(knex).name === 'mysql' ? MYSQL : SQLITE)) };
}

/** MySQL: "Duplicate key name", when a process died between the index and its record. */
const INDEX_EXISTS = 1061;

/** A migration of one index, the same text for all databases. MySQL has no IF NOT EXISTS here. */
export function index(name: string, statement: string): { name: string; up: (knex: Knex) => Promise<unknown> } {
  return {
    name,
    up: (knex) =>
      knex.raw(statement).catch((error: { errno?: number; message?: string }) => {
        if (error.errno !== INDEX_EXISTS) throw error;
      }),
  };
}
