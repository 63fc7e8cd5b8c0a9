import {
  acquire,
  type Beginning,
  type BeginningConnection,
  beginBy,
  dialectOf,
  dispose,
  isReadCommitted,
  isStillOpen,
  isUseless,
  type Opening,
  openedBy,
  ROLLBACK_LIMIT_MS,
  readSettings,
  type SessionSettings,
  type Sql,
  withinLimit,
} from '@tpc/core';
import type { Knex } from 'knex';
import { commitsOnCondition, takesNoCondition } from './commit-condition.ts';
import { TransactionConnection } from './transaction-connection.ts';

/** A connection of better-sqlite3 or mysql2, as far as it is used here. */
type DriverConnection = {
  /** better-sqlite3: false when the database has ended the transaction by itself. */
  inTransaction?: boolean;
  /** Tells knex's pool to drop the connection instead of lending it again. */
  __knex__disposed?: unknown;
  /** mysql2: at its end the server rolls back. */
  stream?: { destroy(): void };
};

export type SessionOptions = {
  /** Default: the session's own. */
  isolationLevel?: Knex.IsolationLevels | undefined;
  /** Writes that go before those of the work. */
  opening?: Opening;
  /** Whether COMMIT will have a condition, where the server takes one. */
  conditional?: boolean;
};

/** What differs between the databases. */
type Parts = Pick<KnexSession, 'tx' | 'settings' | 'commitsOnCondition'> & {
  connection: DriverConnection;
  around: Beginning['around'];
  mysql?: TransactionConnection;
};

/**
 * One transaction of a user's knex, whose statements the user writes, on a connection of its own. The only place that knows how knex begins and ends one:
 * `knex-session.test.ts` fails when a newer knex or mysql2 does it in another way.
 *
 * On MySQL and MariaDB autocommit is off for its length: after a deadlock (1213) the server has ended the transaction, and the session's next
 * statement, which may be on its way already, would otherwise commit by itself and survive ROLLBACK. Switching it off begins the transaction and
 * switching it on commits it, so it costs no round trip of its own.
 */
export class KnexSession {
  readonly tx: Knex.Transaction;
  readonly settings: SessionSettings;
  /** Whether `commit` may be given a condition. */
  readonly commitsOnCondition: boolean;
  readonly #knex: Knex;
  readonly #connection: DriverConnection;
  readonly #mysql: TransactionConnection | undefined;
  readonly #around: Beginning['around'];
  readonly #commit: () => Knex.QueryBuilder | Promise<unknown>;
  readonly #rollback: () => Knex.QueryBuilder | Promise<unknown>;
  /** An error of a statement after which the connection is of no more use, whatever the work made of it. */
  #useless: unknown;

  private constructor(knex: Knex, { tx, settings, commitsOnCondition, connection, around, mysql }: Parts) {
    this.tx = tx;
    this.settings = settings;
    this.commitsOnCondition = commitsOnCondition;
    this.#knex = knex;
    this.#connection = connection;
    this.#mysql = mysql;
    this.#around = around;
    tx.on('query-error', (error: unknown) => {
      if (isUseless(error)) this.#useless ??= error;
    });
    this.#commit = tx.commit.bind(tx) as () => Promise<unknown>;
    this.#rollback = tx.rollback.bind(tx) as () => Promise<unknown>;
  }

  /** @throws what the database answers; nothing has begun then */
  static async open(knex: Knex, options: SessionOptions = {}): Promise<KnexSession> {
    const connection = (await acquire(knex.client)) as DriverConnection;
    const isMysql = dialectOf(knex).name === 'mysql';
    try {
      return new KnexSession(knex, isMysql ? await beginOnMysql(knex, connection, options) : await beginOnSqlite(knex, connection, options));
    } catch (error) {
      if (isMysql) dispose(connection, error);
      await knex.client.releaseConnection(connection);
      throw error;
    }
  }

  /** False when the database has ended the transaction by itself (a full disk, a conflict clause, a stored procedure). */
  get isOpen(): boolean {
    return isStillOpen(this.#connection) && this.#mysql?.isOpen !== false;
  }

  /**
   * Does the work behind the opening.
   * @throws why the opening ends the transaction, whatever the work makes of it
   */
  work<T>(work: () => Promise<T>): Promise<T> {
    return this.#around(this.tx, work);
  }

  /** Resolves when all statements have their answers, also those that nobody waits for: behind COMMIT they would be lost. */
  async quiet(): Promise<void> {
    if (this.#mysql) await this.#mysql.quiet();
    // SQLite answers at once: there is only the way from a statement to its connection.
    else await new Promise<void>((resolve) => process.nextTick(resolve));
  }

  /**
   * @param condition a SELECT of 1 or 0, asked in the same statement that commits; only where it `commitsOnCondition`
   * @throws NotCommitted when the condition did not hold; else what the database said at COMMIT, after which the outcome is unknown
   */
  async commit(condition?: Sql): Promise<void> {
    this.#mysql?.commitOnlyIf(condition);
    // knex resolves commit() even when COMMIT fails; the error comes out of executionPromise.
    const outcome = this.tx.executionPromise;
    outcome.catch(() => {});
    try {
      await withinLimit(this.#knex.client, this.#connection, async () => {
        await this.#commit();
        await outcome;
      });
    } catch (error) {
      await this.#endAfterFailedCommit(error);
      throw error;
    }
    // COMMIT has switched autocommit on again.
    void this.#release();
  }

  /** Rolls back. Never throws: a connection that cannot say so is closed, which rolls back too. */
  async rollback(): Promise<void> {
    await withinLimit(this.#knex.client, this.#connection, () => this.#sendRollback(), ROLLBACK_LIMIT_MS).catch((failure) => {
      if (this.#connection.inTransaction !== false) dispose(this.#connection, failure);
    });
    if (this.#useless !== undefined && this.#connection.inTransaction === undefined) dispose(this.#connection, this.#useless);
    await this.#giveBack();
  }

  async #sendRollback(): Promise<void> {
    const outcome = this.tx.executionPromise;
    outcome.catch(() => {});
    // For knex it is over already where the work gave it up, or where BEGIN or a statement of knex's own failed.
    if (this.tx.isCompleted()) {
      await this.#knex.raw('ROLLBACK').connection(this.#mysql?.lent ?? this.#connection);
      return;
    }
    await this.#rollback();
    await outcome;
  }

  /** SQLite keeps a transaction open whose COMMIT failed; MySQL's session is dropped, since nobody knows what it holds. */
  async #endAfterFailedCommit(error: unknown): Promise<void> {
    if (this.#connection.inTransaction === true) await this.#knex.raw('ROLLBACK').connection(this.#connection);
    else if (this.#connection.inTransaction === undefined) dispose(this.#connection, error);
    await this.#giveBack();
  }

  /** Gives the connection back as it was lent. Never throws. */
  async #giveBack(): Promise<void> {
    try {
      if (this.#mysql !== undefined && this.#connection.__knex__disposed === undefined)
        await withinLimit(this.#knex.client, this.#connection, () => this.#knex.raw('SET autocommit=1').connection(this.#connection));
    } catch (error) {
      dispose(this.#connection, error);
    }
    await this.#release();
  }

  async #release(): Promise<void> {
    // A pool that was destroyed meanwhile is gone from the client, and its connections with it.
    if (this.#knex.client.pool) await this.#knex.client.releaseConnection(this.#connection);
  }
}

async function beginOnMysql(knex: Knex, connection: DriverConnection, { isolationLevel, opening, conditional }: SessionOptions): Promise<Parts> {
  const settings = await readSettings(knex.client, connection);
  const condition = conditional === true && (await commitsOnCondition(knex, connection, settings));
  // With autocommit off, the next statement begins a transaction.
  const beginning = beginBy(knex, connection as BeginningConnection, 'SET autocommit=0', opening);
  const mysql = new TransactionConnection(beginning.connection, () => takesNoCondition(knex, settings));
  const byItself = isolationLevel === 'read committed' && isReadCommitted(settings);
  // knex does not release a connection that it was given.
  const config = { connection: mysql.lent, ...(isolationLevel === undefined || byItself ? {} : { isolationLevel }) };
  const tx = await withinLimit(knex.client, connection, () => knex.transaction(config));
  return { tx, settings, commitsOnCondition: condition, connection, mysql, around: (begun, work) => beginning.around(begun, work) };
}

/** Its one writer is serial whatever the isolation level. */
async function beginOnSqlite(knex: Knex, connection: DriverConnection, { opening }: SessionOptions): Promise<Parts> {
  const tx = await knex.transaction({ connection });
  return { tx, settings: new Map(), commitsOnCondition: false, connection, around: (begun, work) => openedBy(opening, begun, work) };
}
