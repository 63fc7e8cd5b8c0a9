import { classifySqlError, doomsTransaction } from '@tpc/core';
import type { Knex } from 'knex';
import { endsTransactionOn } from '../transaction-end.ts';

const NOT_YOURS =
  "a handler's transaction is committed when it is done and rolled back when it throws: it may not begin or end one, or change the schema";

type Query = (connection: unknown, statement: unknown) => Promise<unknown>;

/**
 * Keeps a handler's transaction that the server has ended from going on by itself. After a deadlock (1213) the server has rolled everything
 * back, the mark included; if the handler's code swallows that error, or has sent another statement beside it, the next statement would commit
 * alone and the message would take effect twice. So statements go one by one (a connection does no more anyway), from the first such error on
 * every further one is refused, and `check` throws before the COMMIT. It waits for statements that the handler has sent and not awaited: behind the
 * COMMIT they would be lost, and the message consumed without them. The handler's own statements may not end the transaction either: what it sent next
 * would commit alone. It may give up by `tx.rollback`, as by an error.
 */
export function guardTransaction(tx: Knex.Transaction): { check(): Promise<void> } {
  let doomed: unknown;
  let working = true;
  const { commit, rollback } = tx;
  tx.commit = (value) => {
    if (working) throw new Error(NOT_YOURS);
    return commit(value);
  };
  tx.rollback = (error) => {
    working = false;
    return rollback(error);
  };
  // Savepoints have a client of their own; their events come here too, and what is thrown here refuses the statement.
  tx.on('query-error', (error: unknown) => {
    if (doomsTransaction(classifySqlError(error))) doomed ??= error;
  });
  tx.on('query', (query: { sql: string }) => {
    if (doomed !== undefined && !/^\s*rollback/i.test(query.sql)) throw doomed;
    if (working && endsTransactionOn(tx, query.sql)) throw new Error(NOT_YOURS);
  });
  const client = tx.client as { query: Query };
  const query = client.query;
  let last: Promise<unknown> = Promise.resolve();
  client.query = (connection, statement) => {
    // The end of the transaction is knex's own, and knex counts it as ended at once.
    if (/^\s*(commit|rollback\s*;?\s*$)/i.test(textOf(statement))) return query.call(client, connection, statement);
    const turn = last.then(() => query.call(client, connection, statement));
    last = turn.catch(() => undefined); // the caller of this statement has the error; the next one only waits
    return turn;
  };
  return {
    async check() {
      for (let seen: unknown; seen !== last; ) {
        seen = last;
        await seen;
      }
      if (doomed !== undefined) throw doomed;
      working = false;
    },
  };
}

function textOf(statement: unknown): string {
  return typeof statement === 'string' ? statement : String((statement as { sql?: string } | undefined)?.sql ?? '');
}
