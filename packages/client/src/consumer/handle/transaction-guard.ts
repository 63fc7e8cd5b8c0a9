import { endedTransaction, lend } from '@tpc/core';
import type { Knex } from 'knex';
import type { KnexSession } from '../../knex-session/knex-session.ts';
import { isRefusedOn, statementsOf } from '../../knex-session/transaction-end.ts';
import { TransactionEnded } from '../errors.ts';

const NOT_YOURS =
  "a handler's transaction is committed when it is done and rolled back when it throws: it may not begin or end one, change the schema, or leave the database";

const GAVE_UP = 'the handler has rolled its transaction back';

/** What runs statements that cannot be seen from here, and which may end the transaction and begin another. */
const RUNS_OTHERS = /\b(call|execute)\b/i;

export type TransactionGuard = {
  /** The transaction as its handler sees it. */
  tx: Knex.Transaction;
  /** Waits for all statements. @throws why the transaction must not commit */
  check(): Promise<void>;
  /** From here on COMMIT and ROLLBACK are the library's own. */
  allowEnd(): void;
};

/**
 * Keeps a handler's transaction that the database has ended from going on. After a deadlock (1213) the server has rolled everything back, the mark
 * included; if the handler's code swallows that error, or has sent another statement beside it, what follows would be committed without the mark, and the
 * message would take effect twice. So from the first such error on every further statement is refused, and `check` throws before the COMMIT. What is on its
 * way already stands in a transaction of its own, which is rolled back: nothing in the session commits by itself. The handler's own statements may not end
 * the transaction either. It may give up by `tx.rollback`, as by an error.
 * @param markStands asks within the transaction whether its mark is there; asked before COMMIT where a statement has failed
 */
export function guardTransaction(session: KnexSession, markStands: () => Promise<boolean>): TransactionGuard {
  const { tx } = session;
  let doomed: unknown;
  let gaveUp: unknown;
  let isDoubtful = false;
  let working = true;
  const own = lend(tx, {
    commit(value) {
      if (working) throw new Error(NOT_YOURS);
      return tx.commit(value);
    },
    rollback(error) {
      working = false;
      // Without an error knex would resolve the transaction, and the message would count as handled though nothing of it is there.
      gaveUp ??= error ?? new Error(GAVE_UP);
      return tx.rollback(gaveUp);
    },
  });
  // Savepoints have a client of their own; their events come here too, and what is thrown here refuses the statement.
  tx.on('query-error', (error: unknown) => {
    isDoubtful = true;
    if (endedTransaction(error, session.settings)) doomed ??= error;
  });
  const doom = () => {
    if (!session.isOpen && gaveUp === undefined) doomed ??= new TransactionEnded();
    return doomed;
  };
  tx.on('query', ({ sql }: { sql: string }) => {
    if (doom() !== undefined && !/^\s*rollback/i.test(sql)) throw doomed;
    if (working && isRefusedOn(tx, statementsOf(sql))) throw new Error(NOT_YOURS);
    isDoubtful ||= RUNS_OTHERS.test(sql);
  });
  return {
    tx: own,
    async check() {
      await session.quiet();
      const reason = gaveUp ?? doom();
      if (reason !== undefined) throw reason;
      if (isDoubtful && !(await markStands())) throw new TransactionEnded();
      this.allowEnd();
    },
    allowEnd() {
      working = false;
    },
  };
}
