import type { SessionSettings } from './settings.ts';

/** A setting of a session under which TPC could not keep its promises. */
export type SessionFault = {
  /** Name of the setting, as the server knows it. */
  setting: string;
  /** One line: what it is, what would go wrong, and what to do. It begins with the setting's name. */
  line: string;
};

/**
 * What is wrong with a session; empty when nothing is. The same for the services, which set what they can in each of their sessions first, and for the
 * library, whose sessions are the team's own.
 */
export function sessionFaults(settings: SessionSettings): SessionFault[] {
  return [...sqlModeFaults(settings), ...transactionFaults(settings)];
}

function transactionFaults(settings: SessionSettings): SessionFault[] {
  const is = (name: string, value: string) => settings.get(name) === value;
  const faults: SessionFault[] = [];
  const add = (setting: string, wrong: string) => faults.push({ setting, line: `${setting} is ${settings.get(setting)}: ${wrong}` });
  if (is('autocommit', 'OFF'))
    add(
      'autocommit',
      'what is written outside a transaction would never be committed; set it to ON (init_connect and afterCreate may switch it off)',
    );
  if (is('completion_type', 'CHAIN'))
    add('completion_type', 'each COMMIT begins the next transaction, so what is written outside one would not be committed; set it to NO_CHAIN');
  if (is('completion_type', 'RELEASE'))
    add('completion_type', 'each COMMIT ends the connection, and its outcome may be lost with it; set it to NO_CHAIN');
  for (const name of ['tx_read_only', 'transaction_read_only']) if (is(name, 'ON')) add(name, 'nothing could be written; set it to OFF');
  if (is('log_bin', 'ON') && is('binlog_format', 'STATEMENT'))
    add('binlog_format', 'the server refuses every write at READ COMMITTED (error 1665); set it to ROW or MIXED');
  return faults;
}

/** Modes that may not be set, and what goes wrong with them. */
const FORBIDDEN_MODES: ReadonlyMap<string, string> = new Map([
  ['NO_BACKSLASH_ESCAPES', 'the driver escapes quotes with backslashes, so a value could be read as SQL'],
  ['ORACLE', 'BEGIN begins a block instead of a transaction'],
  ['EMPTY_STRING_IS_NULL', 'empty texts would be stored as NULL'],
  ['PAD_CHAR_TO_FULL_LENGTH', 'ids would be read with blanks behind them'],
  ['SIMULTANEOUS_ASSIGNMENT', 'an UPDATE would compute with old values'],
  ['HIGH_NOT_PRECEDENCE', 'conditions would be read in another way'],
  ['NO_UNSIGNED_SUBTRACTION', 'counters would go below zero'],
]);

const STRICT_MODES = ['STRICT_TRANS_TABLES', 'STRICT_ALL_TABLES'];

function sqlModeFaults(settings: SessionSettings): SessionFault[] {
  const modes = new Set((settings.get('sql_mode') ?? '').split(','));
  const line = (what: string, advice: string) => ({ setting: 'sql_mode', line: `sql_mode ${what}; ${advice}` });
  const faults = [...FORBIDDEN_MODES]
    .filter(([mode]) => modes.has(mode))
    .map(([mode, wrong]) => line(`has ${mode}: ${wrong}`, `take it out of sql_mode, on the server or in each session`));
  if (STRICT_MODES.some((mode) => modes.has(mode))) return faults;
  return [...faults, line('is not strict: values that are too long would be cut off without an error', 'add STRICT_TRANS_TABLES')];
}
