/** What statements, their values and their answers look like, and as much of knex's client as is used to send them. */

export type SqlValue = string | number | bigint | Buffer | null;

/** A value as it is given to the driver: some are written into the statement's text as they stand. */
export type BoundValue = SqlValue | { toSqlString(): string };

/** A statement with `?` placeholders and their values. */
export type Sql = { sql: string; params: readonly SqlValue[] };

export type SqlResult<R> = {
  /** Rows of a SELECT; empty for other statements. */
  rows: R[];
  /** Rows that a writing statement matched. On both dialects matched, not changed: guards belong into WHERE. */
  affected: number;
  /** Of an INSERT into a table that numbers its rows: the number of the first row. */
  insertId?: number;
};

/** As far as knex's client is used here; a transaction's client lends its own connection and refuses after its end. */
export type MysqlClient = {
  /** One object for a pool: a transaction's client has the same. */
  config: object;
  /** mysql2's settings. */
  connectionSettings?: { multipleStatements?: boolean };
  /** True for a transaction's client. */
  transacting?: boolean;
  acquireConnection(): Promise<Connection>;
  releaseConnection(connection: Connection): Promise<void>;
  query(connection: Connection, statement: Statement): Promise<{ response: [unknown] }>;
  emit(event: 'query-response', response: unknown, statement: Connection & Statement): void;
};
/** knex names each connection, so that listeners can tell which statement is answered. */
export type Connection = {
  __knexUid?: string | undefined;
  /** Set: knex's pool drops the connection instead of lending it again. */
  __knex__disposed?: unknown;
  /** The driver's socket; at its end the server rolls back. */
  stream?: { destroy(): void };
  destroy?(): void;
};
export type Statement = { sql: string; bindings: readonly BoundValue[] };
