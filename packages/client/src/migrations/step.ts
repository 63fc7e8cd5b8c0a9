/** One step of the schema, written once and never edited after its release. */
export type MigrationStep = {
  /** Number and name, without extension: knex stores it. */
  name: string;
  /** One statement: MySQL and MariaDB commit at each DDL, so a step of two could be left half done. Runs again without harm. */
  mysql: string;
  /** SQLite's DDL is part of the transaction, so a table and its indexes may be one step. */
  sqlite: readonly string[];
  /** Runs only where the table has no such column yet, since no dialect in use can say that within ALTER TABLE. */
  unlessColumn?: { table: string; column: string };
};
