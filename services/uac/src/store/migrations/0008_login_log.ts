import { ddl } from './columns.ts';

/** Who logged in, when and from where; `outcome` SUCCESS, or the reason why the right password was not enough. */
export const loginLog = ddl(
  '0008_login_log',
  ({ ascii, text, end }) => `CREATE TABLE IF NOT EXISTS uac_login_log (
  id BIGINT NOT NULL PRIMARY KEY,
  user_id BIGINT NOT NULL,
  at BIGINT NOT NULL,
  ip ${ascii(45)} NOT NULL,
  user_agent ${text(255)} NOT NULL,
  outcome ${ascii(20)} NOT NULL
${end}`,
);
