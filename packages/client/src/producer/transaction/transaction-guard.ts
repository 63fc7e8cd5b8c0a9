import { endedTransaction, lend } from '@tpc/core';
import type { Knex } from 'knex';
import type { KnexSession } from '../../knex-session/knex-session.ts';
import { isRefusedOn, statementsOf } from '../../knex-session/transaction-end.ts';
import { Savepoints } from '../domain/savepoints.ts';
import { OutboxMisuse, TransactionDoomed } from '../errors.ts';
import { LAST_LOOK } from '../store/outbox-rows.ts';

/**
 * Watches a transaction's statements, so that it commits only what it is known to hold. An error after which the server has ended the
 * transaction dooms it, whatever the caller's code does with the error; statements that would end it by themselves are refused before
 * they leave.
 */
export class TransactionGuard {
  /** The transaction as its work sees it. */
  readonly tx: Knex.Transaction;
  readonly #session: KnexSession;
  readonly #savepoints = new Savepoints();
  #doom: TransactionDoomed | undefined;
  #phase: 'work' | 'last look' | 'end' = 'work';

  constructor(session: KnexSession) {
    this.#session = session;
    const { tx } = session;
    // Nested transactions have a client of their own; their events come here too, and what is thrown here refuses the statement.
    tx.on('query', ({ sql }: { sql: string }) => {
      const statements = statementsOf(sql);
      this.#refuse(sql, statements);
      this.#savepoints.see(statements);
    });
    tx.on('query-error', (error: unknown) => this.#judge(error));
    this.tx = lend(tx, {
      commit: () => {
        throw new OutboxMisuse('producer.transaction commits by itself when its work is done');
      },
      rollback: () => {
        throw new OutboxMisuse('producer.transaction rolls back when its work throws: throw an error instead');
      },
    });
  }

  /** Why the transaction must not commit; undefined when nothing is known against it. */
  get doom(): TransactionDoomed | undefined {
    if (this.#doom === undefined && !this.#session.isOpen) this.doomBy('the database has ended the transaction by itself');
    return this.#doom;
  }

  get inSavepoint(): boolean {
    return this.#savepoints.isOpen;
  }

  doomBy(why: string, cause?: unknown): TransactionDoomed {
    this.#doom ??= new TransactionDoomed(why, cause);
    return this.#doom;
  }

  /** From here on only `LAST_LOOK` may run: a statement of the work behind it could end the transaction, and COMMIT would commit nothing. */
  beginLastLook(): void {
    this.#phase = 'last look';
  }

  /** From here on COMMIT and ROLLBACK are the library's own. */
  allowEnd(): void {
    this.#phase = 'end';
  }

  #judge(error: unknown): void {
    if (endedTransaction(error, this.#session.settings)) this.doomBy('the database ended the transaction at one of its statements', error);
  }

  /** @throws OutboxMisuse, or the doom, when the statement must not run */
  #refuse(sql: string, statements: readonly string[]): void {
    if (this.#phase === 'end') return;
    if (isRefusedOn(this.#session.tx, statements))
      throw new OutboxMisuse('inside producer.transaction no statement may begin or end a transaction, change the schema, or leave the database');
    // A nested transaction may still clean up after itself.
    if (this.doom !== undefined && !/^\s*ROLLBACK\b/i.test(sql)) throw this.doom;
    if (this.#phase === 'last look' && !sql.startsWith(LAST_LOOK)) throw new OutboxMisuse('the work of this transaction is over');
  }
}
