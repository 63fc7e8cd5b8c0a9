import type { Driver, Session } from './database.ts';
import { SQLITE } from './dialect.ts';
import { classifySqlError, doomsTransaction } from './sql-errors.ts';
import type { Sql, SqlResult } from './types.ts';

/** As far as knex's client is used here. */
export type SqliteClient = {
  acquireConnection(): Promise<SqliteConnection>;
  releaseConnection(connection: SqliteConnection): Promise<void>;
  query(connection: SqliteConnection, statement: { sql: string; bindings: unknown[] }): Promise<{ response: Answer }>;
  emit(event: 'query-response', response: unknown, statement: object): void;
};
/** A connection of better-sqlite3. */
type SqliteConnection = { inTransaction: boolean; exec(sql: string): void; __knexUid?: string };
type Answer = unknown[] | { changes?: number; lastInsertRowid?: number | bigint };

/** SQLite through better-sqlite3, on the pool of a knex, which has one connection. Its one writer is serial, so every transaction is. */
export function sqliteDriver(client: SqliteClient): Driver {
  const lend: Driver['lend'] = async (work) => {
    const connection = await client.acquireConnection();
    try {
      return await work(new SqliteSession(client, connection));
    } finally {
      await client.releaseConnection(connection);
    }
  };
  return { dialect: SQLITE, lend, send: (statements) => lend((session) => session.send(statements)) };
}

class SqliteSession implements Session {
  readonly begin: readonly Sql[] = [{ sql: 'BEGIN', params: [] }];
  readonly #client: SqliteClient;
  readonly #connection: SqliteConnection;

  constructor(client: SqliteClient, connection: SqliteConnection) {
    this.#client = client;
    this.#connection = connection;
  }

  async send(statements: readonly Sql[]): Promise<SqlResult<unknown>[]> {
    const results: SqlResult<unknown>[] = [];
    for (const { sql, params } of statements) {
      const statement = { sql, bindings: [...params] };
      const { response } = await this.#client.query(this.#connection, statement);
      this.#client.emit('query-response', response, { __knexUid: this.#connection.__knexUid, ...statement });
      results.push(toResult(response));
    }
    return results;
  }

  /** SQLite ends a transaction by itself where the disk is full, or by a conflict clause. */
  hasEnded(error: unknown): boolean {
    return !this.#connection.inTransaction || doomsTransaction(classifySqlError(error));
  }

  /** SQLite keeps a transaction open whose COMMIT failed; the pool's only connection would never begin another. */
  async rollback(): Promise<void> {
    if (this.#connection.inTransaction) this.#connection.exec('ROLLBACK');
  }
}

function toResult(answer: Answer): SqlResult<unknown> {
  if (Array.isArray(answer)) return { rows: answer, affected: 0 };
  const { changes = 0, lastInsertRowid = 0 } = answer;
  return { rows: [], affected: changes, insertId: Number(lastInsertRowid) - changes + 1 };
}
