import { dialectOf } from '@tpc/core';
import type { Knex } from 'knex';

const COLUMN_EXISTS = 1060;

/**
 * A mobile number is optional, and one that nobody has proven blocks nobody: `mobile_key` is empty until the user is active. Both columns take E.164
 * (a plus and up to 15 digits). `contested` marks a registration that replaced another one of the same address with another password.
 * The previous build goes on working: it writes a number into both columns. One statement on MySQL and MariaDB; SQLite cannot change a column, so the
 * table is copied, in the migration's transaction.
 */
export const userClaims = {
  name: '0012_user_claims',
  async up(db: Knex): Promise<void> {
    if (dialectOf(db).name === 'sqlite') return copyTable(db);
    const ascii = 'VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin';
    await db
      .raw(
        `ALTER TABLE pc_uac_user MODIFY mobile_no ${ascii} NOT NULL DEFAULT '', MODIFY mobile_key ${ascii} NULL,
         ADD COLUMN contested SMALLINT NOT NULL DEFAULT 0`,
      )
      .catch((error: { errno?: number }) => {
        if (error.errno !== COLUMN_EXISTS) throw error;
      });
  },
};

const OLD_COLUMNS = `id, version, login_name, login_name_key, login_pwd, user_name, mobile_no, mobile_key, email, email_key, status, user_source,
  register_source, type, is_changed_pwd, last_login_ip, last_login_time, activated_at, created_time, update_time`;

async function copyTable(db: Knex): Promise<void> {
  await db.raw('DROP TABLE IF EXISTS pc_uac_user_0012');
  await db.raw(`CREATE TABLE pc_uac_user_0012 (
  id BIGINT NOT NULL PRIMARY KEY,
  version INT NOT NULL DEFAULT 0,
  login_name TEXT NOT NULL,
  login_name_key TEXT NOT NULL,
  login_pwd TEXT NOT NULL,
  user_name TEXT NOT NULL,
  mobile_no TEXT NOT NULL DEFAULT '',
  mobile_key TEXT NULL,
  email TEXT NOT NULL,
  email_key TEXT NOT NULL,
  status TEXT NOT NULL,
  user_source TEXT NOT NULL,
  register_source TEXT NOT NULL,
  type INT NOT NULL DEFAULT 3000,
  is_changed_pwd SMALLINT NOT NULL DEFAULT 0,
  last_login_ip TEXT NOT NULL DEFAULT '',
  last_login_time BIGINT NULL,
  activated_at BIGINT NULL,
  created_time BIGINT NOT NULL,
  update_time BIGINT NOT NULL,
  contested SMALLINT NOT NULL DEFAULT 0,
  CONSTRAINT uk_login_name UNIQUE (login_name_key),
  CONSTRAINT uk_mobile UNIQUE (mobile_key),
  CONSTRAINT uk_email UNIQUE (email_key)
)`);
  await db.raw(`INSERT INTO pc_uac_user_0012 (${OLD_COLUMNS}) SELECT ${OLD_COLUMNS} FROM pc_uac_user`);
  await db.raw('DROP TABLE pc_uac_user');
  await db.raw('ALTER TABLE pc_uac_user_0012 RENAME TO pc_uac_user');
}
