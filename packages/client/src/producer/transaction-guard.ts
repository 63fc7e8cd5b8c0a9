import { classifySqlError, dialectOf, doomsTransaction } from '@tpc/core';
import type { Knex } from 'knex';
import type { DatabaseSession } from './database-session.ts';
import { commitsImplicitly, endsTransaction, Savepoints } from './domain/savepoints.ts';
import { OutboxMisuse, TransactionDoomed } from './errors.ts';

type Query = (connection: unknown, query: unknown) => Promise<unknown>;

/**
 * Watches a transaction's statements, so that it commits only what it is known to hold. An error after which the server has ended the
 * transaction dooms it, whatever the caller's code does with the error; statements that would end it by themselves are refused before
 * they leave.
 */
export class TransactionGuard {
  readonly #session: DatabaseSession;
  readonly #savepoints = new Savepoints();
  readonly #lockTimeoutEndsTransaction: boolean;
  #doom: TransactionDoomed | undefined;
  #ending = false;

  constructor(session: DatabaseSession, lockTimeoutEndsTransaction: boolean) {
    this.#session = session;
    this.#lockTimeoutEndsTransaction = lockTimeoutEndsTransaction;
    const { tx } = session;
    tx.on('query', ({ sql }: { sql: string }) => this.#savepoints.see(sql));
    tx.on('query-error', (error: unknown) => this.#judge(error));
    tx.commit = () => {
      throw new OutboxMisuse('producer.transaction commits by itself when its work is done');
    };
    tx.rollback = () => {
      throw new OutboxMisuse('producer.transaction rolls back when its work throws: throw an error instead');
    };
    this.#refuseEndingStatements(tx);
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

  /** From here on COMMIT and ROLLBACK are the library's own. */
  allowEnd(): void {
    this.#ending = true;
  }

  #judge(error: unknown): void {
    const kind = classifySqlError(error);
    if (doomsTransaction(kind) || (kind === 'locked' && this.#lockTimeoutEndsTransaction))
      this.doomBy('the database ended the transaction at one of its statements', error);
  }

  #refuseEndingStatements(tx: Knex.Transaction): void {
    const client = tx.client as { query: Query };
    const isMysql = dialectOf(tx).name === 'mysql';
    const query = client.query;
    client.query = (connection, statement) => {
      const sql = typeof statement === 'string' ? statement : String((statement as { sql?: string })?.sql ?? '');
      if (!this.#ending) {
        if (endsTransaction(sql) || (isMysql && commitsImplicitly(sql)))
          return Promise.reject(new OutboxMisuse('inside producer.transaction no statement may begin or end a transaction, or change the schema'));
        if (this.doom !== undefined) return Promise.reject(this.doom);
      }
      return query.call(client, connection, statement);
    };
  }
}
