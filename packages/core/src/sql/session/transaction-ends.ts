import type { Knex } from 'knex';
import type { Connection, MysqlClient } from '../types.ts';
import { dispose, disposeIfUseless, isUseless } from './dispose.ts';
import { ROLLBACK_LIMIT_MS, startLimit } from './statement-limit.ts';

type Work<T> = (tx: Knex.Transaction) => Promise<T>;

/**
 * Bounds the statements that begin and end a transaction of knex's, and keeps its connection from being lent again where nobody knows what it holds: COMMIT
 * failed, ROLLBACK was not answered, or one of the statements, whose error the work may have swallowed, told that the connection is useless.
 */
export class TransactionEnds {
  readonly #client: MysqlClient;
  readonly #connection: Connection;
  #stop: () => void;
  #failure: { error: unknown } | undefined;
  #useless: unknown;
  #worked = false;

  constructor(client: MysqlClient, connection: Connection) {
    this.#client = client;
    this.#connection = connection;
    this.#stop = startLimit(client, connection);
  }

  /**
   * @param run does the transaction with the work that it is given
   * @throws what the work threw, also where ROLLBACK failed after it
   */
  async around<T>(run: (own: (work: Work<T>) => Work<T>) => Promise<T>): Promise<T> {
    try {
      return await run((work) => (tx) => this.#work(work, tx));
    } catch (error) {
      if (this.#worked) dispose(this.#connection, error);
      else if (this.#failure === undefined) disposeIfUseless(this.#connection, error);
      throw this.#failure === undefined ? error : this.#failure.error;
    } finally {
      this.#stop();
      if (this.#useless !== undefined) dispose(this.#connection, this.#useless);
    }
  }

  async #work<T>(work: Work<T>, tx: Knex.Transaction): Promise<T> {
    this.#stop();
    tx.on('query-error', (error: unknown) => {
      if (isUseless(error)) this.#useless ??= error;
    });
    try {
      const result = await work(tx);
      this.#worked = true;
      this.#stop = startLimit(this.#client, this.#connection);
      return result;
    } catch (error) {
      this.#failure = { error };
      this.#stop = startLimit(this.#client, this.#connection, ROLLBACK_LIMIT_MS);
      throw error;
    }
  }
}
