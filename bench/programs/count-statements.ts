/**
 * Preloaded into every program of the bench: counts what its mysql2 connections ask of the database, without a change to the program. The server's own
 * counters do not tell one client from another.
 */
import mysql from 'mysql2';

export type StatementCounts = {
  /** Packets that were sent, each a round trip. */
  roundTrips: number;
  /** Transactions that wrote and were committed, and single statements that wrote. */
  commits: number;
  /** How often a statement was run, by its first words. */
  heads: Record<string, number>;
};

type Session = { inTransaction: boolean; autocommit: boolean; wrote: boolean };
type Query = (this: object, statement: unknown, ...rest: unknown[]) => unknown;

const STATEMENT =
  /(?:^|;)\s*(begin|start transaction|commit|rollback|set autocommit *= *[01(]|insert into \w+|insert ignore into \w+|update \w+(?: set state = \d+)?|delete from \w+|select)/gi;

const counts: StatementCounts = { roundTrips: 0, commits: 0, heads: {} };
const sessions = new WeakMap<object, Session>();

const prototype = (mysql as unknown as { Connection: { prototype: { query: Query } } }).Connection.prototype;
const query = prototype.query;
prototype.query = function (statement, ...rest) {
  counts.roundTrips++;
  const sql = typeof statement === 'string' ? statement : String((statement as { sql?: string }).sql);
  for (const head of headsOf(sql)) count(this, head);
  return query.call(this, statement, ...rest);
};

/** By text, which has placeholders and so comes again: what is measured should not pay for being counted. */
const known = new Map<string, readonly string[]>();
const MAX_KNOWN = 2_000;

function headsOf(sql: string): readonly string[] {
  let heads = known.get(sql);
  if (heads === undefined) {
    heads = Array.from(sql.replaceAll('`', '').matchAll(STATEMENT), ([, head]) => (head as string).toLowerCase());
    if (known.size < MAX_KNOWN) known.set(sql, heads);
  }
  return heads;
}

function count(connection: object, head: string): void {
  const session = sessions.get(connection) ?? { inTransaction: false, autocommit: true, wrote: false };
  sessions.set(connection, session);
  counts.heads[head] = (counts.heads[head] ?? 0) + 1;
  if (head === 'begin' || head === 'start transaction') session.inTransaction = true;
  else if (head.startsWith('set autocommit') && head.endsWith('0')) session.autocommit = false;
  else if (head === 'commit' || head === 'rollback' || head.startsWith('set autocommit')) {
    // Autocommit that is switched on commits what is open.
    if (head !== 'rollback' && session.wrote) counts.commits++;
    if (head.startsWith('set')) session.autocommit = true;
    session.inTransaction = false;
    session.wrote = false;
  } else if (head !== 'select') {
    if (session.inTransaction || !session.autocommit) session.wrote = true;
    else counts.commits++;
  }
}

process.on('message', ({ id, method }: { id?: number; method: string }) => {
  if (method === 'counts') process.send?.({ id, result: structuredClone(counts) });
});
// A program that nobody asks anything must be able to end.
process.channel?.unref();
// Its starter has died: nobody is left to stop it.
process.once('disconnect', () => process.exit(1));
