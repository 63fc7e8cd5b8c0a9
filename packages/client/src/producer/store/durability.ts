import { dialectOf, run } from '@tpc/core';
import type { Knex } from 'knex';

/** SQLite's `PRAGMA synchronous`: from FULL on, a commit is on the disk when it is answered. */
const SQLITE_FULL = 2;

/**
 * Settings under which the database may lose transactions that it has answered as committed. The outbox is the truth about commits, so a lost one
 * would leave a message without its business, or the other way round.
 * @returns one line for each; empty when all is well
 */
export async function durabilityProblems(knex: Knex): Promise<string[]> {
  if (dialectOf(knex).name === 'sqlite') {
    const { rows } = await run<{ synchronous: number }>(knex, 'PRAGMA synchronous');
    const synchronous = Number(rows[0]?.synchronous);
    return synchronous < SQLITE_FULL ? [`PRAGMA synchronous is ${synchronous}; FULL (2) or more is needed`] : [];
  }
  const { rows } = await run<{ flushed: number; binlog: number; synced: number }>(
    knex,
    'SELECT @@innodb_flush_log_at_trx_commit AS flushed, @@log_bin AS binlog, @@sync_binlog AS synced',
  );
  const { flushed, binlog, synced } = rows[0] ?? { flushed: 1, binlog: 0, synced: 1 };
  const problems = [];
  if (Number(flushed) !== 1) problems.push(`innodb_flush_log_at_trx_commit is ${flushed}; 1 is needed`);
  if (Number(binlog) === 1 && Number(synced) !== 1) problems.push(`sync_binlog is ${synced}; 1 is needed`);
  return problems;
}
