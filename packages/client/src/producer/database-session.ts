import {
  acquire,
  type BeginningConnection,
  beginBy,
  beginTogether,
  classifySqlError,
  dialectOf,
  dispose,
  isStillOpen,
  isUseless,
  ROLLBACK_LIMIT_MS,
  readSettings,
  ServerStatus,
  type SessionSettings,
  type Sql,
  serverStatusOf,
  takesPackets,
  withinLimit,
} from '@tpc/core';
import type { Knex } from 'knex';

/** A connection of better-sqlite3 or mysql2, as far as it is used here. */
type DriverConnection = {
  /** better-sqlite3: false when the database has ended the transaction by itself. */
  inTransaction?: boolean;
  /** Tells knex's pool to drop the connection instead of lending it again. */
  __knex__disposed?: unknown;
  /** mysql2: at its end the server rolls back. */
  stream?: { destroy(): void };
};

/** The condition of a COMMIT did not hold: nothing was committed. */
export class NotCommitted extends Error {
  override readonly name = 'NotCommitted';
}

/**
 * The database connection of one transaction, taken from the pool.
 *
 * On MySQL and MariaDB autocommit is off for its length: after a deadlock (1213) the server has ended the transaction, and the session's next
 * statement, which may be on its way already, would otherwise commit by itself and survive ROLLBACK. Switching it off begins the transaction and
 * switching it on commits it, so it costs no round trip of its own.
 */
export class DatabaseSession {
  readonly tx: Knex.Transaction;
  readonly settings: SessionSettings;
  readonly #knex: Knex;
  readonly #connection: DriverConnection;
  readonly #commit: () => Knex.QueryBuilder | Promise<unknown>;
  readonly #rollback: () => Knex.QueryBuilder | Promise<unknown>;
  #condition: Sql | undefined;
  /** An error of a statement after which the connection is of no more use, whatever the work made of it. */
  #useless: unknown;

  private constructor(knex: Knex, connection: DriverConnection, tx: Knex.Transaction, settings: SessionSettings) {
    this.settings = settings;
    this.#knex = knex;
    this.#connection = connection;
    this.tx = tx;
    tx.on('query-error', (error: unknown) => {
      if (isUseless(error)) this.#useless ??= error;
    });
    if (dialectOf(knex).name === 'mysql') commitByAutocommit(tx, () => this.#condition);
    this.#commit = tx.commit.bind(tx) as () => Promise<unknown>;
    this.#rollback = tx.rollback.bind(tx) as () => Promise<unknown>;
  }

  static async open(knex: Knex, isolationLevel: Knex.IsolationLevels | undefined): Promise<DatabaseSession> {
    const connection = (await acquire(knex.client)) as DriverConnection;
    try {
      const settings = dialectOf(knex).name === 'mysql' ? await readSettings(knex.client, connection) : new Map<string, string>();
      // knex does not release a connection that it was given.
      const config = { connection, ...(isolationLevel === undefined ? {} : { isolationLevel }) };
      // With autocommit off, the next statement begins a transaction.
      if (dialectOf(knex).name === 'mysql') {
        const beginning = takesPackets(knex) ? beginTogether : beginBy;
        beginning(connection as BeginningConnection, 'SET autocommit=0');
      }
      const begun = await withinLimit(knex.client, connection, () => knex.transaction(config));
      return new DatabaseSession(knex, connection, begun, settings);
    } catch (error) {
      if (dialectOf(knex).name === 'mysql') dispose(connection, error);
      await knex.client.releaseConnection(connection);
      throw error;
    }
  }

  get isOpen(): boolean {
    return isStillOpen(this.#connection);
  }

  /**
   * @param condition a SELECT of 1 or 0, asked in the same statement that commits; only where the server `commitsOnCondition`
   * @throws NotCommitted when the condition did not hold; else what the database said at COMMIT, after which the outcome is unknown
   */
  async commit(condition?: Sql): Promise<void> {
    this.#condition = condition;
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
    const outcome = this.tx.executionPromise;
    outcome.catch(() => {});
    const rollback = async () => {
      await this.#rollback();
      await outcome;
    };
    await withinLimit(this.#knex.client, this.#connection, rollback, ROLLBACK_LIMIT_MS).catch((failure) => {
      if (this.#connection.inTransaction !== false) dispose(this.#connection, failure);
    });
    if (this.#useless !== undefined && this.#connection.inTransaction === undefined) dispose(this.#connection, this.#useless);
    await this.#giveBack();
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
      if (dialectOf(this.#knex).name === 'mysql' && this.#connection.__knex__disposed === undefined)
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

/** knex ends a transaction by this statement. */
const KNEX_COMMIT = 'COMMIT;';

/** The server commits what is open when autocommit is switched on, and answers an error of that as it would answer COMMIT's. */
function commitByAutocommit(tx: Knex.Transaction, condition: () => Sql | undefined): void {
  const client = tx.client as StatementClient;
  const query = client.query;
  client.query = async (connection, statement) => {
    if (statement !== KNEX_COMMIT) return query.call(client, connection, statement);
    const wanted = condition();
    const answer = await query.call(client, connection, wanted ? autocommitIf(wanted) : 'SET autocommit=1');
    if (wanted && !switchedOn(answer)) throw new NotCommitted('the condition of COMMIT does not hold');
    return answer;
  };
}

type Answer = { response?: [unknown] };
type StatementClient = { query: (connection: unknown, statement: unknown) => Promise<Answer> };

function autocommitIf({ sql, params }: Sql): { sql: string; bindings: Sql['params'] } {
  return { sql: `SET autocommit = (${sql})`, bindings: params };
}

function switchedOn({ response }: Answer): boolean {
  return ((serverStatusOf(response?.[0]) ?? 0) & ServerStatus.AUTOCOMMIT) !== 0;
}

/**
 * Whether the server takes a condition for switching autocommit on, so that the last look of a transaction and its COMMIT are one statement. MariaDB
 * 10.11 and MySQL 9.7 do. It is asked rather than told by its version: not every version could be tried, and a proxy may stand between.
 */
export async function commitsOnCondition(knex: Knex): Promise<boolean> {
  if (dialectOf(knex).name !== 'mysql') return false;
  const client = knex.client as StatementClient;
  const connection = (await acquire(knex.client)) as DriverConnection;
  const query = (statement: unknown) => withinLimit(knex.client, connection, () => client.query(connection, statement));
  const ask = async (rows: 0 | 1) =>
    switchedOn(await query(autocommitIf({ sql: 'SELECT COUNT(*) = ? FROM tpc_outbox WHERE message_key IS NULL', params: [rows] })));
  try {
    await query('SET autocommit=0');
    return !(await ask(1)) && (await ask(0));
  } catch (error) {
    if (classifySqlError(error) === 'connection') throw error;
    return false;
  } finally {
    await query('SET autocommit=1').catch((error) => dispose(connection, error));
    await knex.client.releaseConnection(connection);
  }
}
