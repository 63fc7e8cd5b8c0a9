import { dialectOf, type Queryable, run, type Tx } from '@tpc/core';
import type { Knex } from 'knex';
import type { StoredRefreshToken } from '../domain/refresh.ts';

export type SessionEnd = 'SIGN_OUT' | 'TOKEN_REUSED' | 'USER_DISABLED';

export type ClientAddress = { ip: string; userAgent: string };

/** Opens a session. */
export async function insertSession(tx: Tx, id: string, userId: string, client: ClientAddress): Promise<void> {
  await run(tx, `INSERT INTO uac_session (id, user_id, ip, user_agent, created_at) VALUES (?, ?, ?, ?, ${dialectOf(tx).now})`, [
    id,
    userId,
    client.ip,
    client.userAgent,
  ]);
}

/** Ends a session that is open. */
export async function endSession(db: Knex | Queryable, id: string, reason: SessionEnd): Promise<void> {
  await run(db, `UPDATE uac_session SET ended_at = ${dialectOf(db).now}, end_reason = ? WHERE id = ? AND ended_at IS NULL`, [reason, id]);
}

/** Adds the session's next refresh token. @returns when it ends, UTC milliseconds of the database */
export async function insertRefreshToken(tx: Tx, tokenHash: Buffer, sessionId: string, lifeMs: number): Promise<number> {
  const { now } = dialectOf(tx);
  await run(tx, `INSERT INTO uac_refresh_token (token_hash, session_id, created_at, expires_at) VALUES (?, ?, ${now}, ${now} + ?)`, [
    tokenHash,
    sessionId,
    lifeMs,
  ]);
  const { rows } = await run<{ expires_at: number | string }>(tx, 'SELECT expires_at FROM uac_refresh_token WHERE token_hash = ?', [tokenHash]);
  return Number(rows[0]?.expires_at);
}

export type FoundRefreshToken = { sessionId: string; userId: string; state: StoredRefreshToken };

type TokenRow = { session_id: string; user_id: string; expired: number; ended_at: number | null; used_ms_ago: number | string | null };

/** A refresh token with its session. Two primary keys. */
export async function findRefreshToken(db: Knex | Queryable, tokenHash: Buffer): Promise<FoundRefreshToken | undefined> {
  const { now } = dialectOf(db);
  const { rows } = await run<TokenRow>(
    db,
    `SELECT t.session_id, CAST(s.user_id AS CHAR) AS user_id, t.expires_at <= ${now} AS expired, s.ended_at, ${now} - t.used_at AS used_ms_ago
     FROM uac_refresh_token t JOIN uac_session s ON s.id = t.session_id WHERE t.token_hash = ?`,
    [tokenHash],
  );
  const row = rows[0];
  if (!row) return undefined;
  const usedMsAgo = row.used_ms_ago === null ? undefined : Number(row.used_ms_ago);
  return {
    sessionId: row.session_id,
    userId: row.user_id,
    state: { expired: Number(row.expired) === 1, sessionEnded: row.ended_at !== null, usedMsAgo },
  };
}

/** Uses a refresh token up. @returns false when another use was faster */
export async function consumeRefreshToken(tx: Tx, tokenHash: Buffer): Promise<boolean> {
  const { now } = dialectOf(tx);
  const { affected } = await run(
    tx,
    `UPDATE uac_refresh_token SET used_at = ${now} WHERE token_hash = ? AND used_at IS NULL AND expires_at > ${now}`,
    [tokenHash],
  );
  return affected === 1;
}
