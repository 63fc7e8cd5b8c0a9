import { dialectOf, run } from '@tpc/core';
import type { Knex } from 'knex';
import type { IdentityKind } from '../domain/identity.ts';
import type { Registration, Taken } from '../domain/registration.ts';
import type { User, UserStatus } from '../domain/user.ts';

type Db = Knex | Knex.Transaction;

type UserRow = {
  id: string;
  login_name: string;
  email: string;
  status: UserStatus;
  activated_at: number | null;
  created_time: number | string;
};

/** Ids are above 2^53: they are bound as text and read as text. */
const USER_COLUMNS = 'CAST(id AS CHAR) AS id, login_name, email, status, activated_at, created_time';

function toUser(row: UserRow): User {
  return {
    id: row.id,
    loginName: row.login_name,
    email: row.email,
    status: row.status,
    everActive: row.activated_at !== null,
    createdAt: Number(row.created_time),
  };
}

/** Which of a registration's keys are held by a user. Three look-ups in three unique keys. */
export async function findTaken(db: Db, keys: Pick<Registration, 'loginNameKey' | 'mobileKey' | 'emailKey'>): Promise<Taken> {
  const { rows } = await run<{ name: number; mobile: number; email: number }>(
    db,
    `SELECT EXISTS(SELECT 1 FROM pc_uac_user WHERE login_name_key = ?) AS name,
            EXISTS(SELECT 1 FROM pc_uac_user WHERE mobile_key = ?) AS mobile,
            EXISTS(SELECT 1 FROM pc_uac_user WHERE email_key = ?) AS email`,
    [keys.loginNameKey, keys.mobileKey, keys.emailKey],
  );
  const found = rows[0];
  return { loginName: Number(found?.name) === 1, mobileNo: Number(found?.mobile) === 1, email: Number(found?.email) === 1 };
}

const KEY_COLUMNS: Record<IdentityKind, string> = { loginName: 'login_name_key', email: 'email_key', mobileNo: 'mobile_key' };

/** The user with this identity. Unique key of the kind. */
export async function findUserByKey(db: Db, kind: IdentityKind, key: string): Promise<User | undefined> {
  const { rows } = await run<UserRow>(db, `SELECT ${USER_COLUMNS} FROM pc_uac_user WHERE ${KEY_COLUMNS[kind]} = ?`, [key]);
  return rows[0] && toUser(rows[0]);
}

/** A user with the hash of the password, for the login alone. Unique key of the login name. */
export async function findUserForLogin(db: Db, loginNameKey: string): Promise<{ user: User; passwordHash: string } | undefined> {
  const { rows } = await run<UserRow & { login_pwd: string }>(db, `SELECT ${USER_COLUMNS}, login_pwd FROM pc_uac_user WHERE login_name_key = ?`, [
    loginNameKey,
  ]);
  return rows[0] && { user: toUser(rows[0]), passwordHash: rows[0].login_pwd };
}

/** Primary key. */
export async function findUserById(db: Db, id: string): Promise<User | undefined> {
  const { rows } = await run<UserRow>(db, `SELECT ${USER_COLUMNS} FROM pc_uac_user WHERE id = ?`, [id]);
  return rows[0] && toUser(rows[0]);
}

/** Locks a user until the transaction ends. Users are locked before their tokens, everywhere. */
export async function lockUser(tx: Knex.Transaction, id: string): Promise<User | undefined> {
  const { rows } = await run<UserRow>(tx, `SELECT ${USER_COLUMNS} FROM pc_uac_user WHERE id = ?${dialectOf(tx).forUpdate}`, [id]);
  return rows[0] && toUser(rows[0]);
}

/**
 * Adds a user, disabled, with source REGISTER. A key that is taken is a duplicate error of the database, after which the transaction must be
 * rolled back.
 */
export async function insertUser(tx: Knex.Transaction, id: string, registration: Registration, passwordHash: string): Promise<void> {
  const { now } = dialectOf(tx);
  await run(
    tx,
    `INSERT INTO pc_uac_user (id, login_name, login_name_key, login_pwd, user_name, mobile_no, mobile_key, email, email_key,
       status, user_source, register_source, created_time, update_time)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'DISABLE', 'REGISTER', ?, ${now}, ${now})`,
    [
      id,
      registration.loginName,
      registration.loginNameKey,
      passwordHash,
      registration.loginName,
      registration.mobileNo,
      registration.mobileKey,
      registration.email,
      registration.emailKey,
      registration.registerSource,
    ],
  );
}

/** Enables a user who waits for activation. @returns false when the user does not (any more) */
export async function enableUser(tx: Knex.Transaction, id: string): Promise<boolean> {
  const { now } = dialectOf(tx);
  const { affected } = await run(
    tx,
    `UPDATE pc_uac_user SET status = 'ENABLE', activated_at = ${now}, update_time = ${now}, version = version + 1
     WHERE id = ? AND status = 'DISABLE' AND activated_at IS NULL`,
    [id],
  );
  return affected === 1;
}

/** Gives a user, newly enabled, the role and the group. */
export async function insertRoleAndGroup(tx: Knex.Transaction, userId: string, roleId: number, groupId: number): Promise<void> {
  await run(tx, 'INSERT INTO pc_uac_role_user (role_id, user_id) VALUES (?, ?)', [roleId, userId]);
  await run(tx, 'INSERT INTO pc_uac_group_user (group_id, user_id) VALUES (?, ?)', [groupId, userId]);
}

/** Remembers a login that went well. */
export async function updateLastLogin(tx: Knex.Transaction, userId: string, ip: string): Promise<void> {
  await run(tx, `UPDATE pc_uac_user SET last_login_ip = ?, last_login_time = ${dialectOf(tx).now} WHERE id = ?`, [ip, userId]);
}
