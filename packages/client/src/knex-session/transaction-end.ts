import { dialectOf } from '@tpc/core';
import type { Knex } from 'knex';

/**
 * What may hide a statement or look like one: strings and quoted names; the opening of a comment that MySQL or MariaDB runs (its content counts as text,
 * and its end, which is left over, as blank); other comments.
 */
const HIDING = /'(?:[^'\\]|\\[\s\S]|'')*'|"(?:[^"\\]|\\[\s\S]|"")*"|`(?:[^`]|``)*`|\/\*M?!\d*|\/\*[\s\S]*?\*\/|\*\/|--(?=\s|$)[^\n]*|#[^\n]*/g;
/** MariaDB runs a statement under settings of its own. */
const UNDER_SETTINGS = /^SET\s+STATEMENT\b[\s\S]*?\bFOR\b\s*/i;

/** A quoted name stays a word (`SET \`autocommit\` = 1`), and so does a string in double quotes, which is a name under ANSI_QUOTES. */
function uncover(part: string): string {
  if (part.startsWith("'")) return "''";
  return /^["`]/.test(part) ? part.slice(1, -1).replace(/\W/g, '_') : ' ';
}

/** The statements of a text, without comments and strings. A connection that takes several statements in a packet runs all of them. */
export function statementsOf(sql: string): string[] {
  const bare = sql.replace(HIDING, uncover);
  return bare.split(';').map((statement) => statement.trim().replace(UNDER_SETTINGS, ''));
}

const ENDS = [/^(COMMIT|BEGIN|START\s+TRANSACTION|END|XA)\b/i, /^ROLLBACK\b(?!\s+((WORK|TRANSACTION)\s+)?TO\b)/i, /^SET\b.*\bautocommit\b/is];

/** Whether a text begins or ends a transaction by its words: in transactions of the library only the library may do so. */
export function endsTransaction(sql: string): boolean {
  return isAnyOf(ENDS, statementsOf(sql));
}

/**
 * "Statements That Cause an Implicit Commit" of the manuals of MySQL 8 and MariaDB, with their synonyms, and what ends the server. LOAD DATA, which
 * commits for NDB's tables alone, is none of them.
 */
const COMMITTING = [
  /^(ALTER|TRUNCATE|RENAME|GRANT|REVOKE|FLUSH|RESET|INSTALL|UNINSTALL|IMPORT\s+TABLE|BACKUP|CLONE|SHUTDOWN|RESTART)\b/i,
  /^(LOCK|UNLOCK)\s+(TABLES?|INSTANCE)\b/i,
  /^(ANALYZE|OPTIMIZE|REPAIR|CHECK)\s+((NO_WRITE_TO_BINLOG|LOCAL)\s+)?(TABLES?|VIEW)\b/i,
  /^(CACHE\s+INDEX|LOAD\s+INDEX)\b/i,
  /^(CHANGE\s+(MASTER|REPLICATION)|(START|STOP)\s+(ALL\s+)?(SLAVES?|REPLICAS?|GROUP_REPLICATION))\b/i,
  /^SET\s+(PASSWORD|DEFAULT\s+ROLE|RESOURCE\s+GROUP)\b/i,
  /^CREATE\s+(?!(OR\s+REPLACE\s+)?TEMPORARY\b)/i,
  /^DROP\s+(?!(TEMPORARY|PREPARE)\b)/i,
];

/** Whether MySQL and MariaDB commit the open transaction somewhere in a text. What a stored procedure or a prepared statement does cannot be seen from here. */
export function commitsImplicitly(sql: string): boolean {
  return isAnyOf(COMMITTING, statementsOf(sql));
}

/** Leads the session to another database, where the library's tables are missing or somebody else's, also for whoever gets the connection next. */
const LEAVING = [/^USE\b/i];

const REFUSED_ON_MYSQL = [...ENDS, ...COMMITTING, ...LEAVING];

/** Whether one of these statements may not run in a transaction of the library on this database: it begins or ends one, by its words or by itself, or leaves the database. */
export function isRefusedOn(db: Knex | Knex.Transaction, statements: readonly string[]): boolean {
  return isAnyOf(dialectOf(db).name === 'mysql' ? REFUSED_ON_MYSQL : ENDS, statements);
}

function isAnyOf(patterns: readonly RegExp[], statements: readonly string[]): boolean {
  return statements.some((statement) => patterns.some((pattern) => pattern.test(statement)));
}
