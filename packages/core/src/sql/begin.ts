import type { Knex } from 'knex';
import { dialectOf } from './dialect.ts';
import { lend } from './lent-connection.ts';
import { packsStatements } from './mysql.ts';
import { run } from './run.ts';
import { classifySqlError, doomsTransaction } from './sql-errors.ts';
import type { MysqlClient, Sql } from './types.ts';
import { bound } from './values.ts';

type Answered = (error: unknown, rows?: unknown, fields?: unknown) => void;
/** What mysql2 returns for a statement that is on its way: it tells each header that arrives, also where a later statement fails. */
type Command = { on?(event: 'result', listener: (header: Header) => void): void };
type Send = (statement: unknown, values?: unknown, answered?: Answered) => unknown;
/** A connection of mysql2, as far as transactions are begun on it. */
export type BeginningConnection = { query: Send; execute: Send };
type Header = { affectedRows: number };

/** Writes that a transaction begins with, before its work. */
export type Opening = {
  statements: readonly Sql[];
  /** @param affected rows that each has matched. What it throws ends the transaction. */
  check(affected: readonly number[]): void;
};

/** knex begins a transaction by this statement, on MySQL and MariaDB. */
const KNEX_BEGIN = 'BEGIN;';

/** Whether a database takes several statements in a packet. */
export function takesPackets(db: Knex | Knex.Transaction): boolean {
  return dialectOf(db).name === 'mysql' && packsStatements(db.client as MysqlClient);
}

/** A transaction of knex's that begins in a way of its own, on a connection that is lent to it alone. The connection itself stays as it is. */
export type Beginning = {
  /** The connection as knex must be given it, for this transaction and no other. */
  connection: BeginningConnection;
  /**
   * Does the work of the transaction behind its opening.
   * @throws why the opening ends the transaction, whatever the work makes of it
   */
  around<T>(tx: Knex.Transaction, work: () => Promise<T>): Promise<T>;
};

/**
 * Makes a transaction of knex's begin by `begin`. Where the pool's connections take several statements in a packet, all that it begins with is one packet:
 * `begin`, what opens it, and the statements that its work sends first, those of one turn of the event loop. An opening leaves at the end of this turn at
 * the latest.
 * @param begin a statement without values
 */
export function beginBy(db: Knex, connection: BeginningConnection, begin: string, opening?: Opening): Beginning {
  if (takesPackets(db)) return new FirstPacket(connection, begin, opening);
  const query: Send = (statement, values, answered) => connection.query(isBegin(statement) ? { sql: begin } : statement, values, answered);
  return { connection: lend(connection, { query }), around: (tx, work) => openedBy(opening, tx, work) };
}

/** Sends the opening's statements one by one, and then does the work. */
export async function openedBy<T>(opening: Opening | undefined, tx: Knex.Transaction, work: () => Promise<T>): Promise<T> {
  if (opening === undefined) return work();
  const affected: number[] = [];
  for (const { sql, params } of opening.statements) affected.push((await run(tx, sql, params)).affected);
  opening.check(affected);
  return work();
}

function isBegin(statement: unknown): boolean {
  return (statement as { sql?: string }).sql === KNEX_BEGIN;
}

/** One statement, without comments, that only a header is answered to: others may follow it, and can be told apart where one fails. */
const PLAIN_WRITE = /^\s*(insert|update|delete|replace)\b(?!.*(\breturning\b|;|--|#|\/\*))/is;
const END = /^\s*(commit|rollback)\b/i;
/** More than this does not wait for others: a packet's size is limited, and of large ones nothing is saved. */
const MAX_GATHERED_BYTES = 64 * 1024;

type Sent = { statement: { sql: string }; values: readonly unknown[]; answered: Answered };

class FirstPacket implements Beginning {
  readonly connection: BeginningConnection;
  readonly #connection: BeginningConnection;
  readonly #opening: Opening | undefined;
  /** BEGIN, the opening, and then what the work sends. */
  readonly #statements: Sent[];
  readonly #opened: number;
  readonly #outcome = Promise.withResolvers<void>();
  #failure: unknown;
  /** Before BEGIN knex sets the isolation level of the transaction. */
  #state: 'before BEGIN' | 'gathering' | 'sent' = 'before BEGIN';

  constructor(connection: BeginningConnection, begin: string, opening: Opening | undefined) {
    this.#connection = connection;
    this.#opening = opening;
    const lead = [{ sql: begin, params: [] }, ...(opening?.statements ?? [])];
    this.#statements = lead.map(({ sql, params }) => ({ statement: { sql }, values: bound(params), answered: () => undefined }));
    this.#opened = lead.length;
    this.#outcome.promise.catch(() => undefined);
    this.connection = lend(connection, {
      query: (...command) => this.#query(...command),
      execute: (...command) => {
        this.#send();
        return connection.execute(...command);
      },
    });
  }

  async around<T>(_tx: Knex.Transaction, work: () => Promise<T>): Promise<T> {
    if (this.#opening === undefined) return work();
    // What opens the transaction claims something. Work that does not send its first statement in this turn of the event loop may do something else for
    // long, and the claim must stand meanwhile.
    setImmediate(() => this.#send());
    try {
      const result = await work();
      this.#send();
      await this.#outcome.promise;
      return result;
    } catch (error) {
      throw this.#failure ?? error;
    }
  }

  #query(statement: unknown, values?: unknown, answered?: Answered): unknown {
    if (this.#state === 'before BEGIN' && answered !== undefined && isBegin(statement)) {
      this.#state = 'gathering';
      return queueMicrotask(() => answered(null));
    }
    if (this.#state !== 'gathering') return this.#connection.query(statement, values, answered);
    const sent = sentOf(statement, values, answered);
    if (sent === undefined || !this.#takes(sent)) {
      this.#send();
      return this.#connection.query(statement, values, answered);
    }
    if (this.#statements.length === this.#opened) process.nextTick(() => this.#send());
    return this.#statements.push(sent);
  }

  #takes(next: Sent): boolean {
    const before = this.#statements.slice(this.#opened);
    if (before.length === 0) return true;
    const bytes = [...before, next].reduce((sum, { values }) => sum + bytesOf(values), 0);
    return before.every(isPlainWrite) && !END.test(next.statement.sql) && bytes <= MAX_GATHERED_BYTES;
  }

  /** Commands of one connection are answered in their order, so whatever is sent behind this has its transaction. */
  #send(): void {
    if (this.#state !== 'gathering') return;
    this.#state = 'sent';
    const all = this.#statements;
    const packet = { ...all.at(-1)?.statement, sql: all.map(({ statement }) => statement.sql).join(';\n') };
    const headers: Header[] = [];
    const values = all.flatMap((each) => each.values);
    const command = this.#connection.query(packet, values, (error, rows, fields) => {
      if (error) this.#failed(error, headers);
      else this.#answer(all.length === 1 ? [rows] : (rows as unknown[]), all.length === 1 ? [fields] : (fields as unknown[]));
    }) as Command | undefined;
    command?.on?.('result', (header) => headers.push(header));
  }

  #answer(rows: readonly unknown[], fields: readonly unknown[]): void {
    const failure = this.#check(rows as Header[]);
    this.#statements.slice(this.#opened).forEach(({ answered }, index, work) => {
      const at = this.#opened + index;
      if (failure !== undefined) answered(failure);
      else if (index < work.length - 1) answered(null, rows[at], fields[at]);
      else answered(null, asAlone(rows.slice(at)), asAlone(fields.slice(at)));
    });
  }

  /** What went before the failing one has its answer, what comes behind it has not run: it goes now, unless nothing may any more. */
  #failed(error: unknown, headers: readonly Header[]): void {
    const opened = headers.length >= this.#opened;
    const failure = opened ? this.#check(headers) : this.#settle(error);
    const over = doomsTransaction(classifySqlError(error));
    // The last one may be a text of several, whose first had their headers.
    const failed = Math.min(headers.length, this.#statements.length - 1);
    this.#statements.slice(this.#opened).forEach(({ statement, values, answered }, index) => {
      const at = this.#opened + index;
      if (failure !== undefined) answered(failure);
      else if (at < failed) answered(null, headers[at]);
      else if (at === failed || over) answered(error);
      else this.#connection.query(statement, values, answered);
    });
  }

  /** @returns why the transaction cannot go on */
  #check(headers: readonly Header[]): unknown {
    try {
      this.#opening?.check(headers.slice(1, this.#opened).map(({ affectedRows }) => affectedRows));
      return this.#settle(undefined);
    } catch (failure) {
      return this.#settle(failure);
    }
  }

  #settle(failure: unknown): unknown {
    this.#failure = failure;
    if (failure === undefined) this.#outcome.resolve();
    else this.#outcome.reject(failure);
    return failure;
  }
}

/** @returns undefined for what cannot be answered from a packet: a stream, a text without callback */
function sentOf(statement: unknown, values: unknown, answered: Answered | undefined): Sent | undefined {
  if (typeof (statement as { sql?: unknown }).sql !== 'string' || answered === undefined) return undefined;
  if (values !== undefined && values !== null && !Array.isArray(values)) return undefined;
  return { statement: statement as { sql: string }, values: values ?? [], answered };
}

/** A question mark that is no placeholder would take a value of those that follow. */
function isPlainWrite({ statement, values }: Sent): boolean {
  const marks = statement.sql.split('?').length - 1;
  return PLAIN_WRITE.test(statement.sql) && marks === values.length && Object.keys(statement).length === 1;
}

function bytesOf(values: readonly unknown[]): number {
  return values.reduce<number>((sum, value) => sum + (typeof value === 'string' || Buffer.isBuffer(value) ? value.length : 8), 0);
}

/** One answer as it is when its statement is sent alone. */
function asAlone(answers: readonly unknown[]): unknown {
  return answers.length === 1 ? answers[0] : answers;
}
