import { type BeginningConnection, bound, lend, ServerStatus, type Sql, serverStatusOf } from '@tpc/core';
import { autocommitIf, refusesCondition, switchedOn } from './commit-condition.ts';

type Send = BeginningConnection['query'];
type Answered = NonNullable<Parameters<Send>[2]>;

/** knex ends a transaction by this statement, on MySQL and MariaDB. */
const KNEX_COMMIT = 'COMMIT;';
/** The server commits what is open when autocommit is switched on, and answers an error of that as it would answer COMMIT's. */
const COMMIT = { sql: 'SET autocommit=1' };

/** The condition of a COMMIT did not hold: nothing was committed. */
export class NotCommitted extends Error {
  override readonly name = 'NotCommitted';

  constructor() {
    super('the condition of COMMIT does not hold');
  }
}

/**
 * A connection of mysql2 as one transaction of knex's sees it, its nested ones included. It commits by switching autocommit on, knows from the server's
 * answers whether the transaction is still open, and which statements are not answered yet.
 */
export class TransactionConnection {
  /** What knex is given. */
  readonly lent: BeginningConnection;
  readonly #connection: BeginningConnection;
  readonly #noCondition: () => void;
  #condition: Sql | undefined;
  #unanswered = 0;
  #waiting: (() => void)[] = [];
  #begun = false;
  #ended = false;

  /** @param noCondition called when the server refuses a condition at COMMIT */
  constructor(connection: BeginningConnection, noCondition: () => void) {
    this.#connection = connection;
    this.#noCondition = noCondition;
    this.lent = lend(connection, { query: (...command) => this.#query(...command) });
  }

  /** False once the server has answered a statement that its transaction is over. */
  get isOpen(): boolean {
    return !this.#ended;
  }

  /** @param condition a SELECT of 1 or 0 that is looked at in the same statement as COMMIT */
  commitOnlyIf(condition: Sql | undefined): void {
    this.#condition = condition;
  }

  /** Resolves when every statement that was sent has its answer, also those that somebody has sent in this turn of the event loop and does not wait for. */
  async quiet(): Promise<void> {
    for (;;) {
      // Behind the promises on the way from a statement to its connection.
      await new Promise<void>((resolve) => process.nextTick(resolve));
      if (this.#unanswered === 0) return;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  #query(statement: unknown, values?: unknown, answered?: Answered): unknown {
    if (answered === undefined) return this.#connection.query(statement, values);
    if ((statement as { sql?: unknown }).sql === KNEX_COMMIT) return this.#commit(answered);
    this.#unanswered++;
    return this.#connection.query(statement, values, (error, rows, fields) => {
      this.#unanswered--;
      if (!error) this.#note(rows);
      answered(error, rows, fields);
      if (this.#unanswered === 0) for (const resolve of this.#waiting.splice(0)) resolve();
    });
  }

  #note(answer: unknown): void {
    const status = serverStatusOf(answer);
    if (status === undefined) return;
    // With autocommit off, the transaction begins at the first statement that reads or writes a table.
    if ((status & ServerStatus.IN_TRANSACTION) !== 0) this.#begun = true;
    else if (this.#begun) this.#ended = true;
  }

  #commit(answered: Answered): unknown {
    const condition = this.#condition;
    if (condition === undefined) return this.#connection.query(COMMIT, [], answered);
    const { sql, params } = autocommitIf(condition);
    return this.#connection.query({ sql }, bound(params), (error, header, fields) => {
      if (refusesCondition(error)) return this.#commitAfterLook(condition, answered);
      return error || switchedOn(header) ? answered(error, header, fields) : answered(new NotCommitted());
    });
  }

  /** Another server answers by now than the one that took conditions. It has done nothing, so the look and COMMIT go one by one. */
  #commitAfterLook({ sql, params }: Sql, answered: Answered): void {
    this.#noCondition();
    this.#connection.query({ sql }, bound(params), (error, rows) => {
      if (error) return answered(error);
      const [row] = rows as Record<string, unknown>[];
      return Object.values(row ?? {}).every((value) => Number(value) === 1)
        ? this.#connection.query(COMMIT, [], answered)
        : answered(new NotCommitted());
    });
  }
}
