import { type Dialect, dialectOf } from '@tpc/core';
import type { Knex } from 'knex';

/** One step of the schema. Written once and never edited after its release; forward only. */
export type MigrationStep = {
  /** Number and name, without extension: knex stores it, and source and build must count as the same. */
  name: string;
  /** The table that it makes; undefined when it changes one. */
  table?: string;
  up(db: Knex): Promise<void>;
};

/** Column types in both dialects. Never changed: the steps that use them are history. */
export type ColumnTypes = {
  /** 64-bit id that counts up by itself; the table's primary key. */
  autoId: string;
  /** Text of ASCII characters, compared byte by byte (default collations fold case). */
  ascii(length: number): string;
  /** Text of any characters. */
  text(length: number): string;
  hash: string;
  smallBlob: string;
  largeBlob: string;
};

const MYSQL_TYPES: ColumnTypes = {
  autoId: 'BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY',
  ascii: (length) => `VARCHAR(${length}) CHARACTER SET ascii COLLATE ascii_bin`,
  text: (length) => `VARCHAR(${length})`,
  hash: 'BINARY(32)',
  smallBlob: 'BLOB',
  largeBlob: 'LONGBLOB',
};

const SQLITE_TYPES: ColumnTypes = {
  autoId: 'INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT',
  ascii: () => 'TEXT',
  text: () => 'TEXT',
  hash: 'BLOB',
  smallBlob: 'BLOB',
  largeBlob: 'BLOB',
};

export type TableStep = {
  name: string;
  table: string;
  columns: (types: ColumnTypes) => string;
  /** Secondary indexes by name. */
  indexes?: Readonly<Record<string, string>>;
};

/**
 * A step that makes one table. MySQL and MariaDB commit at each DDL statement, so there it is one statement with its indexes inside; SQLite's DDL
 * is part of the transaction. It runs again without harm when the process died before the step was recorded.
 */
export function tableStep(step: TableStep): MigrationStep {
  return {
    name: step.name,
    table: step.table,
    up: async (db) => {
      for (const statement of tableStatements(step, dialectOf(db))) await db.raw(statement);
    },
  };
}

function tableStatements(step: TableStep, dialect: Dialect): string[] {
  const indexes = Object.entries(step.indexes ?? {});
  if (dialect.name === 'mysql') {
    const keys = indexes.map(([name, columns]) => `,\n  KEY ${name} (${columns})`).join('');
    return [
      `CREATE TABLE IF NOT EXISTS ${step.table} (${step.columns(MYSQL_TYPES)}${keys}\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin`,
    ];
  }
  return [
    `CREATE TABLE IF NOT EXISTS ${step.table} (${step.columns(SQLITE_TYPES)}\n)`,
    ...indexes.map(([name, columns]) => `CREATE INDEX IF NOT EXISTS ${name} ON ${step.table} (${columns})`),
  ];
}
