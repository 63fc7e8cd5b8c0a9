import { dialectOf, run } from '@tpc/core';
import type { Knex } from 'knex';

/** Adds the token of a new link. Its life is counted by the database's clock. */
export async function insertActivationToken(tx: Knex.Transaction, tokenHash: Buffer, userId: string, lifeMs: number): Promise<void> {
  const { now } = dialectOf(tx);
  await run(tx, `INSERT INTO uac_activation_token (token_hash, user_id, created_at, expires_at) VALUES (?, ?, ${now}, ${now} + ?)`, [
    tokenHash,
    userId,
    lifeMs,
  ]);
}

/** Whose token this is, whatever became of it, and whether it can still be used. Primary key. */
export async function findActivationToken(db: Knex | Knex.Transaction, tokenHash: Buffer): Promise<{ userId: string; usable: boolean } | undefined> {
  const { now } = dialectOf(db);
  const { rows } = await run<{ user_id: string; usable: number }>(
    db,
    `SELECT CAST(user_id AS CHAR) AS user_id, used_at IS NULL AND void_at IS NULL AND expires_at > ${now} AS usable
     FROM uac_activation_token WHERE token_hash = ?`,
    [tokenHash],
  );
  return rows[0] && { userId: rows[0].user_id, usable: Number(rows[0].usable) === 1 };
}

/** Uses a token up. @returns false when it is used, void or too old; of two at once only one gets true. The user is locked before. */
export async function consumeActivationToken(tx: Knex.Transaction, tokenHash: Buffer): Promise<boolean> {
  const { now } = dialectOf(tx);
  const { affected } = await run(
    tx,
    `UPDATE uac_activation_token SET used_at = ${now} WHERE token_hash = ? AND used_at IS NULL AND void_at IS NULL AND expires_at > ${now}`,
    [tokenHash],
  );
  return affected === 1;
}
