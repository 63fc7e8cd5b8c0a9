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

/** Whose token this is, whatever became of it. Primary key. */
export async function findActivationTokenUser(db: Knex | Knex.Transaction, tokenHash: Buffer): Promise<string | undefined> {
  const { rows } = await run<{ user_id: string }>(db, 'SELECT CAST(user_id AS CHAR) AS user_id FROM uac_activation_token WHERE token_hash = ?', [
    tokenHash,
  ]);
  return rows[0]?.user_id;
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

/** Makes a user's open tokens void, before a new one is added. Index k_activation_token_user; the user is locked before. */
export async function voidActivationTokens(tx: Knex.Transaction, userId: string): Promise<void> {
  await run(tx, `UPDATE uac_activation_token SET void_at = ${dialectOf(tx).now} WHERE user_id = ? AND used_at IS NULL AND void_at IS NULL`, [userId]);
}
