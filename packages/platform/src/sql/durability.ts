import { dialectOf, run } from '@tpc/core';
import type { Knex } from 'knex';

/**
 * What in the server's settings could lose a commit that was answered, in words; empty when nothing. For a warning at start: the promise of
 * the whole system is only as durable as its databases.
 */
export async function durabilityWarnings(knex: Knex): Promise<string[]> {
  if (dialectOf(knex).name === 'sqlite') return [];
  const { rows } = await run<{ flush: number; binlog: number; log_bin: number }>(
    knex,
    'SELECT @@innodb_flush_log_at_trx_commit AS flush, @@sync_binlog AS `binlog`, @@log_bin AS log_bin',
  );
  const settings = rows[0];
  if (!settings) return [];
  const warnings: string[] = [];
  if (Number(settings.flush) !== 1)
    warnings.push(`innodb_flush_log_at_trx_commit is ${settings.flush}: a crash of the server may lose commits; set it to 1`);
  if (Number(settings.log_bin) === 1 && Number(settings.binlog) !== 1)
    warnings.push(`sync_binlog is ${settings.binlog}: a crash may lose commits on replicas; set it to 1`);
  return warnings;
}
