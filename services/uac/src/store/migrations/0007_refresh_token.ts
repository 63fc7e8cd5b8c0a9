import { ddl } from './columns.ts';

/** Refresh tokens: SHA-256 only. Each is used once and followed by the next; a used one that comes again ends its session. */
export const refreshToken = ddl(
  '0007_refresh_token',
  ({ ascii, hash, end }) => `CREATE TABLE IF NOT EXISTS uac_refresh_token (
  token_hash ${hash} NOT NULL PRIMARY KEY,
  session_id ${ascii(36)} NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  used_at BIGINT NULL
${end}`,
);
