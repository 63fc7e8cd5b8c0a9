import type { Knex } from 'knex';
import { dialectOf } from '../dialect.ts';
import { run } from '../run.ts';

/** SQLite's `PRAGMA synchronous`: from FULL on, a commit is on the disk when it is answered. */
const SQLITE_FULL = 2;

/**
 * Settings under which a database may lose transactions that it has answered as committed. The promise of the whole system is only as durable as its
 * databases: a lost outbox row, for one, would leave a message without its business, or the other way round.
 * @returns one line for each; empty when all is well
 */
export async function durabilityWarnings(knex: Knex): Promise<string[]> {
  if (dialectOf(knex).name === 'sqlite') {
    const { rows } = await run<{ synchronous: number }>(knex, 'PRAGMA synchronous');
    const synchronous = Number(rows[0]?.synchronous);
    return synchronous < SQLITE_FULL ? [`PRAGMA synchronous is ${synchronous}: a loss of power may lose commits; set it to FULL (2)`] : [];
  }
  const { rows } = await run<{ flush: number; binlog: number; log_bin: number }>(
    knex,
    'SELECT @@innodb_flush_log_at_trx_commit AS flush, @@sync_binlog AS `binlog`, @@log_bin AS log_bin',
  );
  const { flush, binlog, log_bin } = rows[0] ?? { flush: 1, binlog: 1, log_bin: 0 };
  const warnings: string[] = [];
  if (Number(flush) !== 1) warnings.push(`innodb_flush_log_at_trx_commit is ${flush}: a crash of the server may lose commits; set it to 1`);
  if (Number(log_bin) === 1 && Number(binlog) !== 1) warnings.push(`sync_binlog is ${binlog}: a crash may lose commits on replicas; set it to 1`);
  return warnings;
}
