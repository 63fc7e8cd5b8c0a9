import type { Knex } from 'knex';
import { takesPackets } from './begin.ts';
import { dialectOf } from './dialect.ts';
import { inTransaction } from './in-transaction.ts';
import { ask, run, toResult, withConnection } from './run.ts';
import { assertCommitted, dispose } from './session/checked-sessions.ts';
import { ROLLBACK_LIMIT_MS, withinLimit } from './session/statement-limit.ts';
import { classifySqlError } from './sql-errors.ts';
import type { Connection, MysqlClient, Sql, SqlResult, SqlValue, Statement } from './types.ts';

const BEGIN: Statement = { sql: 'BEGIN', bindings: [] };
const COMMIT: Statement = { sql: 'COMMIT', bindings: [] };

/**
 * Like `inTransaction`, in as few packets as its work allows: BEGIN travels with the first statement, `runTogether` sends several at once, and what
 * `writeLater` was given goes with the next statement or with COMMIT. The server stops at the first statement that fails, so COMMIT is not
 * reached then. Sessions must be READ COMMITTED by themselves. Where the pool's connections do not take several statements in a packet
 * (mysql2's `multipleStatements`) and on SQLite it is `inTransaction`.
 */
export function inPacketTransaction<T>(db: Knex, work: (tx: Knex.Transaction) => Promise<T>): Promise<T> {
  if (!takesPackets(db)) return inTransaction(db, work);
  return PacketSession.run(db.client as MysqlClient, work);
}

/**
 * Runs statements in their order, in one packet where that can be had; none may need another's answer, and none runs after one that fails. Outside a
 * transaction each commits by itself.
 * @returns each one's answer
 */
export async function runTogether(db: Knex | Knex.Transaction, statements: readonly Sql[]): Promise<SqlResult<unknown>[]> {
  const session = PacketSession.of(db);
  const all = statements.map(toStatement);
  if (session) return (await session.send(all)).map((answer) => toResult(answer));
  if (takesPackets(db)) {
    const client = db.client as MysqlClient;
    const answers = await withConnection(client, async (connection) => {
      const sent = await sendTogether(client, connection, all);
      // Rows tell nothing, and may be the last answer of a packet that writes.
      if (client.transacting !== true) for (const answer of sent) assertCommitted(connection, answer);
      return sent;
    });
    return answers.map((answer) => toResult(answer));
  }
  const results: SqlResult<unknown>[] = [];
  for (const { sql, params } of statements) results.push(await run<unknown>(db, sql, params));
  return results;
}

/**
 * Reads what was last committed. A read-write split (a proxy before a primary and its replicas) may answer a SELECT outside of a transaction from a replica
 * that is seconds late; a transaction is the primary's. So whatever decides something reads by this, or within the transaction that writes.
 * In one packet where that can be had, else in three round trips.
 */
export async function runOnPrimary<R = Record<string, unknown>>(
  db: Knex | Knex.Transaction,
  sql: string,
  params: readonly SqlValue[] = [],
): Promise<SqlResult<R>> {
  const within = PacketSession.of(db) !== undefined || (db as { isTransaction?: boolean }).isTransaction === true;
  if (within || dialectOf(db).name === 'sqlite') return run<R>(db, sql, params);
  if (!takesPackets(db)) return inTransaction(db, (tx) => run<R>(tx, sql, params));
  return inPacketTransaction(db, async (tx) => toResult<R>(await (PacketSession.of(tx) as PacketSession).finish(toStatement({ sql, params }))));
}

/** @returns the driver's answer to each of the statements */
async function sendTogether(client: MysqlClient, connection: Connection, statements: readonly Statement[]): Promise<unknown[]> {
  const packet = { sql: statements.map(({ sql }) => sql).join(';\n'), bindings: statements.flatMap(({ bindings }) => bindings) };
  const answer = await ask(client, connection, packet);
  return statements.length === 1 ? [answer] : (answer as unknown[]);
}

/** Writes what nobody needs an answer of: at the latest with the transaction's COMMIT, which fails where it fails. */
export async function writeLater(db: Knex | Knex.Transaction, sql: string, params: readonly SqlValue[]): Promise<void> {
  const session = PacketSession.of(db);
  if (session) session.later(toStatement({ sql, params }));
  else await run(db, sql, params);
}

/**
 * Calls `act` once the transaction of `db` has committed: not where it is rolled back, nor where nobody knows. So work that is run again is told once.
 * Outside of a transaction at once. `act` must not throw.
 */
export function afterCommit(db: Knex | Knex.Transaction, act: () => void): void {
  const session = PacketSession.of(db);
  if (session) session.onCommitted(act);
  else if ((db as { isTransaction?: boolean }).isTransaction) (db as Knex.Transaction).executionPromise.then(act, () => {});
  else act();
}

function toStatement({ sql, params }: Sql): Statement {
  return { sql, bindings: params };
}

/** One transaction on one connection. To `run` it looks like knex's. */
class PacketSession {
  static readonly #ofClient = new WeakMap<object, PacketSession>();
  readonly #client: MysqlClient;
  readonly #connection: Connection;
  #unsent: Statement[] = [BEGIN];
  #over = false;
  readonly #afterCommit: (() => void)[] = [];

  static of(db: Knex | Knex.Transaction): PacketSession | undefined {
    return PacketSession.#ofClient.get(db.client);
  }

  static run<T>(client: MysqlClient, work: (tx: Knex.Transaction) => Promise<T>): Promise<T> {
    return withConnection(client, (connection) => new PacketSession(client, connection).#run(work));
  }

  private constructor(client: MysqlClient, connection: Connection) {
    this.#client = client;
    this.#connection = connection;
  }

  async #run<T>(work: (tx: Knex.Transaction) => Promise<T>): Promise<T> {
    try {
      const result = await work({ client: this.#lent() } as Knex.Transaction);
      await this.#commit();
      for (const act of this.#afterCommit) act();
      return result;
    } catch (error) {
      await this.#rollback(error);
      throw error;
    } finally {
      this.#over = true;
    }
  }

  later(statement: Statement): void {
    this.#assertOpen();
    this.#unsent.push(statement);
  }

  onCommitted(act: () => void): void {
    this.#assertOpen();
    this.#afterCommit.push(act);
  }

  /** @returns the driver's answers to these statements */
  async send(statements: readonly Statement[]): Promise<unknown[]> {
    this.#assertOpen();
    const all = [...this.#unsent.splice(0), ...statements];
    return (await sendTogether(this.#client, this.#connection, all)).slice(-statements.length);
  }

  /** Sends the last statement together with COMMIT. @returns the driver's answer to it */
  async finish(statement: Statement): Promise<unknown> {
    const [answer] = await this.send([statement, COMMIT]);
    this.#over = true;
    return answer;
  }

  /** Where nothing was sent, there is nothing to end. */
  async #commit(): Promise<void> {
    if (this.#over) return;
    if (this.#unsent[0] !== BEGIN || this.#unsent.length > 1) await this.send([COMMIT]);
    this.#over = true;
  }

  /** A connection that is lost, or cannot say that it rolled back, is closed, which rolls back too. */
  async #rollback(cause: unknown): Promise<void> {
    if (this.#unsent[0] === BEGIN) return;
    try {
      if (classifySqlError(cause) === 'connection') throw cause;
      await withinLimit(
        this.#client,
        this.#connection,
        () => this.#client.query(this.#connection, { sql: 'ROLLBACK', bindings: [] }),
        ROLLBACK_LIMIT_MS,
      );
    } catch (error) {
      dispose(this.#connection, error);
    }
  }

  #assertOpen(): void {
    if (this.#over) throw new Error('Transaction query already complete: its work is over');
  }

  /** The pool's client, as it is while it lends this connection alone. */
  #lent(): MysqlClient {
    const client = Object.assign(Object.create(this.#client) as MysqlClient, {
      transacting: true,
      acquireConnection: async () => this.#connection,
      releaseConnection: async () => undefined,
      // Listeners hear of packets, as of queries.
      emit: () => undefined,
      query: async (_connection: Connection, statement: Statement) => ({ response: (await this.send([statement])) as [unknown] }),
    });
    PacketSession.#ofClient.set(client, this);
    return client;
  }
}
