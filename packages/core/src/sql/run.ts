import type { Knex } from 'knex';
import { dialectOf } from './dialect.ts';

export type SqlValue = string | number | bigint | Buffer | null;

export type SqlResult<R> = {
  /** Rows of a SELECT; empty for other statements. */
  rows: R[];
  /** Rows that a writing statement matched. On both dialects matched, not changed: guards belong into WHERE. */
  affected: number;
};

/**
 * Runs one statement with `?` placeholders. Every hot statement goes through here, so that the way to the driver can be made shorter
 * in one place.
 */
export async function run<R = Record<string, unknown>>(
  db: Knex | Knex.Transaction,
  sql: string,
  params: readonly SqlValue[] = [],
): Promise<SqlResult<R>> {
  const answer = (await db.raw(sql, params as Knex.RawBinding[])) as unknown;
  if (dialectOf(db).name === 'mysql') {
    const [first] = answer as [R[] | { affectedRows: number }];
    return Array.isArray(first) ? { rows: first, affected: 0 } : { rows: [], affected: first.affectedRows };
  }
  return Array.isArray(answer) ? { rows: answer as R[], affected: 0 } : { rows: [], affected: (answer as { changes?: number }).changes ?? 0 };
}

/** `?, ?, ?` for `count` values. */
export function placeholders(count: number): string {
  return Array.from({ length: count }, () => '?').join(', ');
}

/** `(?, ?), (?, ?)` for `rows` rows of `columns` values. */
export function rowPlaceholders(rows: number, columns: number): string {
  const row = `(${placeholders(columns)})`;
  return Array.from({ length: rows }, () => row).join(', ');
}

/**
 * Runs `work` in a transaction at READ COMMITTED (SQLite: its one writer is serial anyway). Rolls back and rethrows when `work` or COMMIT fails.
 */
export function inTransaction<T>(db: Knex, work: (tx: Knex.Transaction) => Promise<T>): Promise<T> {
  return dialectOf(db).name === 'mysql' ? db.transaction(work, { isolationLevel: 'read committed' }) : sqliteTransaction(db, work);
}

/** SQLite keeps a transaction open whose COMMIT failed (a full disk); the pool's only connection would never begin another. */
async function sqliteTransaction<T>(db: Knex, work: (tx: Knex.Transaction) => Promise<T>): Promise<T> {
  const connection = (await db.client.acquireConnection()) as { inTransaction: boolean; exec: (sql: string) => void };
  try {
    return await db.transaction(work, { connection });
  } finally {
    try {
      if (connection.inTransaction) connection.exec('ROLLBACK');
    } finally {
      await db.client.releaseConnection(connection);
    }
  }
}
