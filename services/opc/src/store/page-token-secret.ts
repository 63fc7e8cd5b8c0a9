import { randomBytes } from 'node:crypto';
import { classifySqlError, dialectOf, run, runOnPrimary } from '@tpc/core';
import type { Knex } from 'knex';

const ID = 1;
const SECRET_BYTES = 32;

/** The secret behind page tokens; made at the first start. Of two processes that start at once, both get the same. */
export async function readOrCreatePageTokenSecret(db: Knex): Promise<Buffer> {
  const found = await readSecret(db);
  if (found) return found;
  try {
    const made = randomBytes(SECRET_BYTES);
    await run(db, `INSERT INTO opc_page_token_secret (id, secret, created_at) VALUES (?, ?, ${dialectOf(db).now})`, [ID, made]);
  } catch (error) {
    // Another process was faster; its secret is taken.
    if (classifySqlError(error) !== 'duplicate') throw error;
  }
  const stored = await readSecret(db);
  if (!stored) throw new Error('opc_page_token_secret has no row after it was added');
  return stored;
}

async function readSecret(db: Knex): Promise<Buffer | undefined> {
  const { rows } = await runOnPrimary<{ secret: Buffer }>(db, 'SELECT secret FROM opc_page_token_secret WHERE id = ?', [ID]);
  return rows[0]?.secret;
}
