import { randomBytes } from 'node:crypto';
import { classifySqlError, dialectOf, run, runOnPrimary } from '@tpc/core';
import type { Knex } from 'knex';

const ID = 1;

/** The stored key for access tokens, 32 bytes; made at the first start. Of two processes that start at once, both get the same. */
export async function readOrCreateSigningKey(db: Knex): Promise<Buffer> {
  const found = await readSigningKey(db);
  if (found) return found;
  try {
    await run(db, `INSERT INTO uac_signing_key (id, secret, created_at) VALUES (?, ?, ${dialectOf(db).now})`, [ID, randomBytes(32)]);
  } catch (error) {
    if (classifySqlError(error) !== 'duplicate') throw error;
  }
  const made = await readSigningKey(db);
  if (!made) throw new Error('uac_signing_key has no row after it was added');
  return made;
}

async function readSigningKey(db: Knex): Promise<Buffer | undefined> {
  const { rows } = await runOnPrimary<{ secret: Buffer }>(db, 'SELECT secret FROM uac_signing_key WHERE id = ?', [ID]);
  return rows[0]?.secret;
}
