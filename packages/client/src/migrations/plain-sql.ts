import { STEPS } from './steps.ts';

const FILES = {
  outbox: ['0001_outbox', '0002_outbox_order', '0003_store_meta', '0004_store_id'],
  inbox: ['0003_store_meta', '0004_store_id', '0005_inbox', '0006_inbox_effect', '0007_inbox_due_by_topic'],
} as const;

/**
 * The same tables as plain SQL, for services in other languages; kept in `packages/client/sql/`, and a test compares.
 * @param part outbox for producers, inbox for consumers; one database may have both
 */
export function plainSql(part: keyof typeof FILES, dialect: 'mysql' | 'sqlite'): string {
  const steps = STEPS.filter((step) => (FILES[part] as readonly string[]).includes(step.name));
  const statements = steps.flatMap((step) => (dialect === 'mysql' ? [step.mysql] : step.sqlite));
  const head = `-- ${part} of the TPC client, ${dialect === 'mysql' ? 'MySQL 8 and MariaDB 10.6 or newer' : 'SQLite'}. What each column means: the README of @tpc/client.\n`;
  return `${head}\n${statements.map((statement) => `${statement};\n`).join('\n')}`;
}
