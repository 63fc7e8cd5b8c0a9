import type { Dialect } from './dialect.ts';
import type { Sql, SqlResult } from './types.ts';

/** What statements are sent to: a database, where each commits by itself, or one of its transactions. */
export interface Queryable {
  readonly dialect: Dialect;
  /** @throws what the database answers; `classifySqlError` tells what it means */
  query<R = Record<string, unknown>>(statement: Sql): Promise<SqlResult<R>>;
  /**
   * Runs statements in their order, in one packet where that can be had; none may need another's answer, and none runs after one that fails.
   * @returns each one's answer
   */
  together(statements: readonly Sql[]): Promise<SqlResult<unknown>[]>;
}

/** A database, as all statements of TPC's own reach it. */
export interface Database extends Queryable {
  /**
   * Runs `work` in a transaction at READ COMMITTED, in as few packets as it allows. Rolls back and rethrows when `work` or COMMIT fails. An error of kind
   * `connection` says that nobody knows whether it has committed. After an error at which the database has ended the transaction, nothing of it is
   * committed, whatever `work` makes of the error.
   */
  transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
  /** Reads what was last committed: in a transaction of its own, which a read-write split does not send to a replica. */
  latest<R = Record<string, unknown>>(statement: Sql): Promise<SqlResult<R>>;
}

/** One open transaction. After its end it takes no statement. */
export interface Tx extends Queryable {
  /** Writes what nobody needs an answer of: with the next statement, at the latest with COMMIT, which fails where it fails. */
  defer(statement: Sql): void;
  /** `act` is called once it has committed: not where it is rolled back, nor where nobody knows. It must not throw. */
  afterCommit(act: () => void): void;
}

/** What a driver does on one connection, which it has lent to one transaction alone. */
export interface Session {
  /** Statements with which a transaction begins. */
  readonly begin: readonly Sql[];
  /** As `Queryable.together`. */
  send(statements: readonly Sql[]): Promise<SqlResult<unknown>[]>;
  /** Whether the database has ended the transaction at this error. */
  hasEnded(error: unknown): boolean;
  /** Rolls back. Never throws: a connection that cannot say that it has done so is ended, and not lent again. */
  rollback(cause: unknown): Promise<void>;
}

/** One kind of database. */
export interface Driver {
  readonly dialect: Dialect;
  /** Lends a connection, whose session suits, to `work` alone. */
  lend<T>(work: (session: Session) => Promise<T>): Promise<T>;
  /** Runs statements outside a transaction. */
  send(statements: readonly Sql[]): Promise<SqlResult<unknown>[]>;
}

/** Whether statements are sent to this interface, or to a knex. */
export function isQueryable(db: object): db is Queryable {
  return typeof (db as Partial<Queryable>).together === 'function';
}

const COMMIT: Sql = { sql: 'COMMIT', params: [] };

/** A database behind its driver. */
export function createDatabase(driver: Driver): Database {
  return {
    dialect: driver.dialect,
    query: async <R>(statement: Sql) => (await driver.send([statement]))[0] as SqlResult<R>,
    together: (statements) => driver.send(statements),
    transaction: (work) => driver.lend((session) => new OpenTransaction(driver.dialect, session).run(work)),
    latest: <R>(statement: Sql) =>
      driver.lend((session) => {
        const transaction = new OpenTransaction(driver.dialect, session);
        return transaction.run(() => transaction.finish(statement) as Promise<SqlResult<R>>);
      }),
  };
}

class OpenTransaction implements Tx {
  readonly dialect: Dialect;
  readonly #session: Session;
  /** What goes before the next statement. */
  #unsent: Sql[];
  #begun = false;
  #over = false;
  /** Why it cannot commit. */
  #ended: { by: unknown } | undefined;
  #last: Promise<unknown> = Promise.resolve();
  readonly #afterCommit: (() => void)[] = [];

  constructor(dialect: Dialect, session: Session) {
    this.dialect = dialect;
    this.#session = session;
    this.#unsent = [...session.begin];
  }

  async run<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    try {
      const result = await work(this);
      await this.#commit();
      for (const act of this.#afterCommit) act();
      return result;
    } catch (error) {
      this.#over = true;
      this.#ended ??= { by: error };
      await this.#last;
      if (this.#begun) await this.#session.rollback(error);
      throw error;
    }
  }

  async query<R>(statement: Sql): Promise<SqlResult<R>> {
    return (await this.together([statement]))[0] as SqlResult<R>;
  }

  together(statements: readonly Sql[]): Promise<SqlResult<unknown>[]> {
    this.#assertOpen();
    // One after the other: what stood behind a statement at which the database has ended the transaction would commit by itself.
    const sent = this.#last.then(() => this.#send(statements));
    this.#last = sent.catch(() => undefined);
    return sent;
  }

  /** Sends the last statement together with COMMIT. */
  async finish(statement: Sql): Promise<SqlResult<unknown>> {
    const sent = this.together([statement, COMMIT]);
    this.#over = true;
    return (await sent)[0] as SqlResult<unknown>;
  }

  defer(statement: Sql): void {
    this.#assertOpen();
    this.#unsent.push(statement);
  }

  afterCommit(act: () => void): void {
    this.#assertOpen();
    this.#afterCommit.push(act);
  }

  async #send(statements: readonly Sql[]): Promise<SqlResult<unknown>[]> {
    if (this.#ended !== undefined) throw this.#ended.by;
    const before = this.#unsent.splice(0);
    this.#begun = true;
    try {
      return (await this.#session.send([...before, ...statements])).slice(before.length);
    } catch (error) {
      if (this.#session.hasEnded(error)) this.#ended = { by: error };
      throw error;
    }
  }

  /** Where nothing was sent, there is nothing to end. */
  async #commit(): Promise<void> {
    if (this.#over) return;
    const committed = this.#begun || this.#unsent.length > this.#session.begin.length ? this.together([COMMIT]) : undefined;
    this.#over = true;
    await committed;
  }

  #assertOpen(): void {
    if (this.#over) throw new Error('Transaction query already complete: its work is over');
  }
}
