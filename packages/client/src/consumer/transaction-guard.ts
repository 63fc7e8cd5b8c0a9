import { connectionOf, endedTransaction, isStillOpen, ServerStatus, serverStatusOf, settingsWithin } from '@tpc/core';
import type { Knex } from 'knex';
import { endsTransactionOn } from '../transaction-end.ts';
import { TransactionEnded } from './errors.ts';

const NOT_YOURS =
  "a handler's transaction is committed when it is done and rolled back when it throws: it may not begin or end one, or change the schema";

const GAVE_UP = 'the handler has rolled its transaction back';

type Query = (connection: unknown, statement: unknown) => Promise<{ response?: [unknown] }>;

/**
 * Keeps a handler's transaction that the server has ended from going on by itself. After a deadlock (1213) the server has rolled everything
 * back, the mark included; if the handler's code swallows that error, or has sent another statement beside it, the next statement would commit
 * alone and the message would take effect twice. So statements go one by one (a connection does no more anyway), from the first such error on
 * every further one is refused, and `check` throws before the COMMIT. It waits for statements that the handler has sent and not awaited: behind the
 * COMMIT they would be lost, and the message consumed without them. The handler's own statements may not end the transaction either: what it sent next
 * would commit alone. It may give up by `tx.rollback`, as by an error.
 * @param markStands asks within the transaction whether its mark is there; asked before COMMIT where a statement has failed
 */
// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a factory around shared state; each function in it is short
export async function guardTransaction(tx: Knex.Transaction, markStands: () => Promise<boolean>): Promise<{ check(): Promise<void> }> {
  const settings = await settingsWithin(tx);
  const connection = await connectionOf(tx);
  let doomed: unknown;
  let hasFailed = false;
  let working = true;
  const { commit, rollback } = tx;
  tx.commit = (value) => {
    if (working) throw new Error(NOT_YOURS);
    return commit(value);
  };
  tx.rollback = (error) => {
    working = false;
    // Without an error knex would resolve the transaction, and the message would count as handled though nothing of it is there.
    return rollback(error ?? new Error(GAVE_UP));
  };
  // Savepoints have a client of their own; their events come here too, and what is thrown here refuses the statement.
  tx.on('query-error', (error: unknown) => {
    hasFailed = true;
    if (endedTransaction(error, settings)) doomed ??= error;
  });
  tx.on('query', (query: { sql: string }) => {
    if (working && !isStillOpen(connection)) doomed ??= new TransactionEnded();
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
    turn.then(
      (answer) => {
        if (saysNoTransaction(answer?.response?.[0])) doomed ??= new TransactionEnded();
      },
      () => undefined,
    );
    last = turn.catch(() => undefined); // the caller of this statement has the error; the next one only waits
    return turn;
  };
  return {
    async check() {
      for (let seen: unknown; seen !== last; ) {
        seen = last;
        await seen;
      }
      if (!isStillOpen(connection)) doomed ??= new TransactionEnded();
      if (doomed !== undefined) throw doomed;
      if (hasFailed && !(await markStands())) throw new TransactionEnded();
      working = false;
    },
  };
}

function saysNoTransaction(answer: unknown): boolean {
  const status = serverStatusOf(answer);
  return status !== undefined && (status & ServerStatus.IN_TRANSACTION) === 0;
}

function textOf(statement: unknown): string {
  return typeof statement === 'string' ? statement : String((statement as { sql?: string } | undefined)?.sql ?? '');
}
