import { ddl } from './columns.ts';

/** Sessions, from login to sign-out, expiry or the reuse of a used token (`end_reason`). */
export const session = ddl(
  '0006_session',
  ({ ascii, text, end }) => `CREATE TABLE IF NOT EXISTS uac_session (
  id ${ascii(36)} NOT NULL PRIMARY KEY,
  user_id BIGINT NOT NULL,
  ip ${ascii(45)} NOT NULL,
  user_agent ${text(255)} NOT NULL,
  created_at BIGINT NOT NULL,
  ended_at BIGINT NULL,
  end_reason ${ascii(20)} NOT NULL DEFAULT ''
${end}`,
);
