import type { Driver, Session } from './database.ts';
import { MYSQL } from './dialect.ts';
import { ask, toResult, withConnection } from './run.ts';
import { assertCommitted, readSettings } from './session/checked-sessions.ts';
import { dispose } from './session/dispose.ts';
import { endedTransaction, isReadCommitted, type SessionSettings } from './session/settings.ts';
import { ROLLBACK_LIMIT_MS, withinLimit } from './session/statement-limit.ts';
import { classifySqlError } from './sql-errors.ts';
import type { Connection, MysqlClient, Sql, SqlResult, Statement } from './types.ts';

const BEGIN: Sql = { sql: 'BEGIN', params: [] };
const READ_COMMITTED: Sql = { sql: 'SET TRANSACTION ISOLATION LEVEL READ COMMITTED', params: [] };

/**
 * MySQL and MariaDB through mysql2, on the pool of a knex. Statements go past knex's builder, which would read the placeholders of hundreds of rows twice
 * more, and through its client, so that whoever listens on that knex hears of them.
 */
export function mysqlDriver(client: MysqlClient): Driver {
  return {
    dialect: MYSQL,
    lend: (work) => withConnection(client, async (connection) => work(new MysqlSession(client, connection, await readSettings(client, connection)))),
    send: (statements) =>
      withConnection(client, async (connection) => {
        const answers = await send(client, connection, statements);
        // Rows tell nothing, and may be the last answer of a packet that writes.
        if (client.transacting !== true) for (const answer of answers) assertCommitted(connection, answer);
        return answers.map((answer) => toResult(answer));
      }),
  };
}

class MysqlSession implements Session {
  readonly begin: readonly Sql[];
  readonly #client: MysqlClient;
  readonly #connection: Connection;
  readonly #settings: SessionSettings;

  constructor(client: MysqlClient, connection: Connection, settings: SessionSettings) {
    this.#client = client;
    this.#connection = connection;
    this.#settings = settings;
    this.begin = isReadCommitted(settings) ? [BEGIN] : [READ_COMMITTED, BEGIN];
  }

  async send(statements: readonly Sql[]): Promise<SqlResult<unknown>[]> {
    return (await send(this.#client, this.#connection, statements)).map((answer) => toResult(answer));
  }

  hasEnded(error: unknown): boolean {
    return endedTransaction(error, this.#settings);
  }

  async rollback(cause: unknown): Promise<void> {
    try {
      if (classifySqlError(cause) === 'connection') throw cause;
      const rollback = () => this.#client.query(this.#connection, { sql: 'ROLLBACK', bindings: [] });
      await withinLimit(this.#client, this.#connection, rollback, ROLLBACK_LIMIT_MS);
    } catch (error) {
      dispose(this.#connection, error);
    }
  }
}

/** Whether the pool's connections take several statements in a packet: mysql2's `multipleStatements`. */
export function packsStatements(client: MysqlClient): boolean {
  return client.connectionSettings?.multipleStatements === true;
}

/** @returns the driver's answer to each of the statements */
async function send(client: MysqlClient, connection: Connection, statements: readonly Sql[]): Promise<unknown[]> {
  const [only] = statements;
  if (statements.length === 1 && only !== undefined) return [await ask(client, connection, toStatement(only))];
  if (packsStatements(client)) {
    const packet = { sql: statements.map(({ sql }) => sql).join(';\n'), bindings: statements.flatMap(({ params }) => params) };
    return (await ask(client, connection, packet)) as unknown[];
  }
  const answers: unknown[] = [];
  for (const statement of statements) answers.push(await ask(client, connection, toStatement(statement)));
  return answers;
}

function toStatement({ sql, params }: Sql): Statement {
  return { sql, bindings: params };
}
