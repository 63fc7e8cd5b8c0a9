import type { BoundValue } from './types.ts';

/** A value that mysql2 writes into the statement as it stands. */
class Literal {
  readonly #sql: string;

  constructor(sql: string) {
    this.#sql = sql;
  }

  toSqlString(): string {
    return this.#sql;
  }
}

/**
 * Writes texts so that they mean the same under every sql_mode. The driver writes values into the statement's text and escapes with backslashes. Where a
 * session has NO_BACKSLASH_ESCAPES, a quote would then end the text, and what follows it would be read as SQL. So a quote is doubled, which every mode
 * takes, and a text with a backslash is written in hexadecimal.
 */
export function bound(values: readonly BoundValue[]): readonly BoundValue[] {
  return values.map((value) => (typeof value === 'string' && NEEDS_CARE.test(value) ? literalOf(value) : value));
}

/** Bytes of the text that the driver makes of a statement and its values, and a few more. */
export function textBytes(sql: string, values: readonly BoundValue[]): number {
  let bytes = Buffer.byteLength(sql);
  for (const value of values) {
    if (Buffer.isBuffer(value)) bytes += 2 * value.length + 3;
    else if (typeof value === 'string') bytes += Buffer.byteLength(value) + 2;
    else bytes += value instanceof Literal ? Buffer.byteLength(value.toSqlString()) : NUMBER_BYTES;
  }
  return bytes;
}

/** A number, or NULL. */
const NUMBER_BYTES = 24;

/** What the driver would escape. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: the driver escapes these, too
const NEEDS_CARE = /['"\\\0\b\t\n\r\x1a]/;

function literalOf(text: string): Literal {
  if (text.includes('\\')) return new Literal(`_utf8mb4 X'${Buffer.from(text).toString('hex')}'`);
  return new Literal(`'${text.replaceAll("'", "''")}'`);
}
