import type { Knex } from 'knex';
import { dialectOf } from './dialect.ts';

type Answered = (error: Error | null, rows?: unknown, fields?: unknown) => void;
type Send = (statement: unknown, values?: unknown, answered?: Answered) => unknown;
/** A connection of mysql2, as far as transactions are begun on it. */
export type BeginningConnection = { query: Send; execute: Send };

/** knex begins a transaction by this statement, on MySQL and MariaDB. */
const KNEX_BEGIN = 'BEGIN;';

/** Whether the pool's connections take several statements in a packet: mysql2's `multipleStatements`. */
export function takesPackets(db: Knex | Knex.Transaction): boolean {
  if (dialectOf(db).name !== 'mysql') return false;
  const { connectionSettings } = db.client as { connectionSettings?: { multipleStatements?: boolean } };
  return connectionSettings?.multipleStatements === true;
}

/**
 * Makes the transaction that knex opens next on this connection begin by `begin`, on a connection that is lent to it alone.
 * @param begin a statement without values
 * @param together it travels with the transaction's first statement, which saves a round trip; only where the connection `takesPackets`
 */
export function beginBy(connection: BeginningConnection, begin: string, together: boolean): void {
  const { query, execute } = connection;
  let begun = false;
  const unhook = () => {
    Object.assign(connection, { query, execute });
  };
  /** Commands of one connection are answered in their order, so nobody needs to wait for this answer: where it is an error, the connection is lost. */
  const beginAlone = () => {
    query.call(connection, { sql: begin }, undefined, () => undefined);
    unhook();
  };
  connection.query = (statement, values, answered) => {
    const { sql } = statement as { sql?: string };
    if (!begun) {
      if (sql !== KNEX_BEGIN) return query.call(connection, statement, values, answered);
      begun = true;
      if (together && answered) return queueMicrotask(() => answered(null));
      unhook();
      return query.call(connection, { sql: begin }, values, answered);
    }
    if (sql === undefined || answered === undefined) {
      beginAlone();
      return query.call(connection, statement, values, answered);
    }
    unhook();
    return query.call(connection, { ...(statement as object), sql: `${begin};\n${sql}` }, values, (error, rows, fields) => {
      if (error) answered(error);
      else answered(null, ofTheRest(rows), ofTheRest(fields));
    });
  };
  connection.execute = (...command) => {
    if (begun) beginAlone();
    return execute.apply(connection, command);
  };
}

/** Of the answers to several statements those without the first; a single one as if it had been alone. */
function ofTheRest(answers: unknown): unknown {
  const [, ...rest] = answers as unknown[];
  return rest.length === 1 ? rest[0] : rest;
}
