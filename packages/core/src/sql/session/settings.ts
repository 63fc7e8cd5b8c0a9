import { classifySqlError, doomsTransaction } from '../sql-errors.ts';

/** Settings of a session of MySQL or MariaDB by their names in lower case, and their values as the server shows them. */
export type SessionSettings = ReadonlyMap<string, string>;

/** The names that are asked for. Each server has some of them: isolation and read-only have two names, a server's identity has three. */
const NAMES = [
  'version',
  'sql_mode',
  'autocommit',
  'completion_type',
  'tx_isolation',
  'transaction_isolation',
  'tx_read_only',
  'transaction_read_only',
  'log_bin',
  'binlog_format',
  'innodb_rollback_on_timeout',
  'max_allowed_packet',
] as const;

/** What tells servers apart; MySQL and MariaDB name different parts of it. */
const IDENTITY = ['server_uuid', 'server_uid', 'server_id', 'hostname', 'port', 'datadir'] as const;

/** Shows the settings. A name that the server does not know is left out. */
export const SHOW_SETTINGS = `SHOW SESSION VARIABLES WHERE Variable_name IN (${[...NAMES, ...IDENTITY].map((name) => `'${name}'`).join(', ')})`;

export type SettingRow = { Variable_name: string; Value: string };

/** @param rows the answer to `SHOW_SETTINGS` */
export function settingsOf(rows: readonly SettingRow[]): SessionSettings {
  return new Map(rows.map(({ Variable_name, Value }) => [Variable_name.toLowerCase(), Value]));
}

/** Whether transactions of the session begin at READ COMMITTED by themselves. */
export function isReadCommitted(settings: SessionSettings): boolean {
  return (settings.get('transaction_isolation') ?? settings.get('tx_isolation')) === 'READ-COMMITTED';
}

/** The server that a session is on, as a text that another server does not have. */
export function serverOf(settings: SessionSettings): string {
  return IDENTITY.map((name) => settings.get(name) ?? '').join(' ');
}

/**
 * Whether the server has ended the whole transaction at this error, so that the session's next statement would commit by itself. With
 * `innodb_rollback_on_timeout` a statement that waits too long for a lock does that, too.
 */
export function endedTransaction(error: unknown, settings: SessionSettings): boolean {
  const kind = classifySqlError(error);
  return doomsTransaction(kind) || (kind === 'locked' && settings.get('innodb_rollback_on_timeout') === 'ON');
}
