import { ddl } from './columns.ts';

/** The key that signs access tokens where none is configured; one row, made by whoever starts first. */
export const signingKey = ddl(
  '0011_signing_key',
  ({ hash, end }) => `CREATE TABLE IF NOT EXISTS uac_signing_key (
  id INT NOT NULL PRIMARY KEY,
  secret ${hash} NOT NULL,
  created_at BIGINT NOT NULL
${end}`,
);
