import { dialectOf } from '@tpc/core';
import type { Knex } from 'knex';

/** Comments and blanks before a statement's first word; the opening of one that MySQL runs (`/*!50000 COMMIT`) counts as blank. */
const BEFORE_STATEMENT = /^(?:\s|\/\*M?!\d*|\/\*[\s\S]*?\*\/|--(?:\s[^\n]*)?(?:\n|$)|#[^\n]*(?:\n|$))+/;

function statementOf(sql: string): string {
  return sql.replace(BEFORE_STATEMENT, '');
}

/** Whether a statement begins or ends a transaction, or makes MySQL end it: in transactions of the library only the library may do so. */
export function endsTransaction(sql: string): boolean {
  const statement = statementOf(sql);
  return (
    /^(COMMIT|BEGIN|START\s+TRANSACTION|END|XA)\b/i.test(statement) ||
    /^ROLLBACK\b(?!\s+((WORK|TRANSACTION)\s+)?TO\b)/i.test(statement) ||
    /^SET\b[^;]*\bautocommit\b/i.test(statement)
  );
}

const COMMITTING =
  /^(ALTER|TRUNCATE|RENAME|GRANT|REVOKE|LOCK\s+TABLES?|UNLOCK\s+TABLES?|ANALYZE|OPTIMIZE|REPAIR|CHECK|FLUSH|RESET|CACHE\s+INDEX|LOAD\s+INDEX|SET\s+PASSWORD|INSTALL|UNINSTALL)\b/i;

/** Whether MySQL and MariaDB commit the open transaction at this statement. A stored procedure that commits cannot be seen from here. */
export function commitsImplicitly(sql: string): boolean {
  const statement = statementOf(sql);
  return COMMITTING.test(statement) || /^(CREATE|DROP)\s+(?!(OR\s+REPLACE\s+)?TEMPORARY\b)/i.test(statement);
}

/** Whether a statement begins or ends a transaction on this database, by its words or by itself. */
export function endsTransactionOn(db: Knex | Knex.Transaction, sql: string): boolean {
  return endsTransaction(sql) || (dialectOf(db).name === 'mysql' && commitsImplicitly(sql));
}
