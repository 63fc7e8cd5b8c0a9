import { ddl } from './columns.ts';

/** Tokens of activation links (F-02): SHA-256 only. Used once; a newer mail makes the ones before void. */
export const activationToken = ddl(
  '0004_activation_token',
  ({ hash, end }) => `CREATE TABLE IF NOT EXISTS uac_activation_token (
  token_hash ${hash} NOT NULL PRIMARY KEY,
  user_id BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  used_at BIGINT NULL,
  void_at BIGINT NULL
${end}`,
);
