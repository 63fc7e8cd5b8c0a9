/**
 * Errors of the database without what was in the statement. knex writes the statement with its values before the message, mysql2 keeps it beside
 * it, and some of the server's messages quote a value: a log line, or a reason that travels, would tell message bodies, addresses and hashes.
 */

/** Most links of a chain of causes that are looked at. */
const MAX_CAUSES = 5;

/** MySQL's messages that quote names of tables and columns, never values. */
const PLAIN_ERRNOS: ReadonlySet<number> = new Set([1048, 1054, 1114, 1142, 1146, 1205, 1213, 1364, 1406, 1452]);

type DatabaseError = Error & { code?: unknown; errno?: unknown; sqlMessage?: string };

/**
 * @returns the error itself when no statement has a part in it; else a copy of the chain of causes, in which links of the database keep code and
 *   place, and their words only where these hold no value
 */
export function redact(error: unknown): unknown {
  const chain: Error[] = [];
  for (let link = error; link instanceof Error && chain.length < MAX_CAUSES; link = link.cause) chain.push(link);
  if (!chain.some(isOfStatement)) return error;
  return chain.reduceRight<Error | undefined>((cause, link) => copyOf(link, cause), undefined);
}

function isOfStatement(error: Error): boolean {
  const { code } = error as DatabaseError;
  return (
    'sql' in error ||
    'sqlMessage' in error ||
    (typeof code === 'string' && /^(SQLITE_|ER_)/.test(code)) ||
    /^\s*(insert|update|delete|select|replace|with|call)\b[\s\S]* - /i.test(error.message)
  );
}

function copyOf(link: Error, cause: Error | undefined): Error {
  const message = isOfStatement(link) ? wordsOf(link) : link.message;
  const frames = (link.stack ?? '').split('\n').filter((line) => line.startsWith('    at '));
  const copy = new Error(message, cause && { cause });
  for (const name of ['code', 'errno', 'sqlState', 'reason', 'status'] as const) {
    const value = (link as unknown as Record<string, unknown>)[name];
    if (value !== undefined) Object.assign(copy, { [name]: value });
  }
  copy.name = link.name;
  copy.stack = [`${link.name}: ${message}`, ...frames].join('\n');
  return copy;
}

function wordsOf(error: DatabaseError): string {
  const { code, errno } = error;
  const name = `database error ${[code, errno].filter((part) => part !== undefined).join(' ')}`.trim();
  const words = plainWords(error);
  return words === '' ? name : `${name}: ${words}`;
}

function plainWords({ name, code, errno, sqlMessage, message }: DatabaseError): string {
  // No connection in time: the statement stands in a field of its own.
  if (name === 'KnexTimeoutError') return message;
  if (typeof errno === 'number' && PLAIN_ERRNOS.has(errno)) return sqlMessage ?? '';
  // SQLite's own words come last; its syntax errors quote the statement.
  if (typeof code === 'string' && code.startsWith('SQLITE_')) {
    const words = message.slice(message.lastIndexOf(' - ') + 1).replace(/^- /, '');
    return /^(near|unrecognized token)\b/.test(words) ? '' : words;
  }
  return '';
}
