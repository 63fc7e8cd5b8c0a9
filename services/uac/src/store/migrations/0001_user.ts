import { ddl } from './columns.ts';

/**
 * Users: the original's columns, without those that nothing used (salt, user_code, audit names). What the original lacked: unique keys, on the
 * normalised forms (`*_key`), so that of two registrations at the same moment one wins; `activated_at`, so that an old link
 * cannot bring back a user whom an operator has disabled. Times are UTC milliseconds of the database. `login_pwd` is a bcrypt hash.
 */
export const user = ddl(
  '0001_user',
  ({ ascii, text, end }) => `CREATE TABLE IF NOT EXISTS pc_uac_user (
  id BIGINT NOT NULL PRIMARY KEY,
  version INT NOT NULL DEFAULT 0,
  login_name ${text(50)} NOT NULL,
  login_name_key ${ascii(50)} NOT NULL,
  login_pwd ${ascii(300)} NOT NULL,
  user_name ${text(50)} NOT NULL,
  mobile_no ${ascii(15)} NOT NULL,
  mobile_key ${ascii(11)} NOT NULL,
  email ${ascii(254)} NOT NULL,
  email_key ${ascii(254)} NOT NULL,
  status ${ascii(20)} NOT NULL,
  user_source ${ascii(20)} NOT NULL,
  register_source ${ascii(20)} NOT NULL,
  type INT NOT NULL DEFAULT 3000,
  is_changed_pwd SMALLINT NOT NULL DEFAULT 0,
  last_login_ip ${ascii(45)} NOT NULL DEFAULT '',
  last_login_time BIGINT NULL,
  activated_at BIGINT NULL,
  created_time BIGINT NOT NULL,
  update_time BIGINT NOT NULL,
  CONSTRAINT uk_login_name UNIQUE (login_name_key),
  CONSTRAINT uk_mobile UNIQUE (mobile_key),
  CONSTRAINT uk_email UNIQUE (email_key)
${end}`,
);
