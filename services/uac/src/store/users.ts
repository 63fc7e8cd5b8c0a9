import { dialectOf, type Queryable, run, type Tx } from '@tpc/core';
import type { Knex } from 'knex';
import type { Holder } from '../domain/claims.ts';
import { type IdentityKind, mobileKey } from '../domain/identity.ts';
import type { Registration } from '../domain/registration.ts';
import type { User, UserStatus } from '../domain/user.ts';

type Db = Knex | Knex.Transaction | Queryable;

type UserRow = {
  id: string;
  login_name: string;
  email: string;
  status: UserStatus;
  activated_at: number | null;
  created_time: number | string;
  mobile_no: string;
  contested: number;
};

/** Ids are above 2^53: they are bound as text and read as text. */
const USER_COLUMNS = 'CAST(id AS CHAR) AS id, login_name, email, status, activated_at, created_time, mobile_no, contested';

function toUser(row: UserRow): User {
  return {
    id: row.id,
    loginName: row.login_name,
    email: row.email,
    status: row.status,
    everActive: row.activated_at !== null,
    createdAt: Number(row.created_time),
    mobileNo: row.mobile_no,
    contested: row.contested === 1,
  };
}

/** Who has been active, or waits for it. Never both. */
const WAITING = "status = 'DISABLE' AND activated_at IS NULL";

type HolderRow = {
  id: string;
  waiting: number;
  link_works: number;
  contested: number;
  login_pwd: string;
  mobile_no: string;
  name_held: number;
  mobile_held: number;
  email_held: number;
};

/** Users and waiting registrations with one of a registration's keys. Three unique keys; k_activation_token_user. */
export async function findHolders(db: Db, keys: Pick<Registration, 'loginNameKey' | 'mobileKey' | 'emailKey'>): Promise<Holder[]> {
  const values = [keys.loginNameKey, keys.mobileKey ?? null, keys.emailKey];
  const { rows } = await run<HolderRow>(
    db,
    `SELECT CAST(u.id AS CHAR) AS id, u.contested, u.login_pwd, u.mobile_no, ${WAITING} AS waiting,
            u.login_name_key = ? AS name_held, COALESCE(u.mobile_key = ?, 0) AS mobile_held, u.email_key = ? AS email_held,
            EXISTS(SELECT 1 FROM uac_activation_token t WHERE t.user_id = u.id AND t.used_at IS NULL AND t.void_at IS NULL
                   AND t.expires_at > ${dialectOf(db).now}) AS link_works
     FROM pc_uac_user u WHERE u.login_name_key = ? OR u.mobile_key = ? OR u.email_key = ?`,
    [...values, ...values],
  );
  return rows.map((row) => ({
    id: row.id,
    waiting: Number(row.waiting) === 1,
    linkWorks: Number(row.link_works) === 1,
    contested: row.contested === 1,
    passwordHash: row.login_pwd,
    mobileKey: mobileKey(row.mobile_no),
    holds: { loginName: Number(row.name_held) === 1, mobileNo: Number(row.mobile_held) === 1, email: Number(row.email_held) === 1 },
  }));
}

/**
 * Removes a registration that still waits for its activation; its links are unknown from then on. The user is locked before its tokens, as everywhere.
 * @returns false when it does not wait (any more)
 */
export async function deleteWaitingUser(tx: Knex.Transaction, id: string): Promise<boolean> {
  const { affected } = await run(tx, `DELETE FROM pc_uac_user WHERE id = ? AND ${WAITING}`, [id]);
  if (affected === 1) await run(tx, 'DELETE FROM uac_activation_token WHERE user_id = ?', [id]);
  return affected === 1;
}

/**
 * Takes the login name from a registration that still waits, and its links. The row stays, since it says that somebody has claimed the address. Its key has a
 * form that no login name has.
 */
export async function takeLoginName(tx: Knex.Transaction, id: string): Promise<void> {
  const params = [`~${id}`, id];
  const { affected } = await run(tx, `UPDATE pc_uac_user SET login_name = '', login_name_key = ? WHERE id = ? AND ${WAITING}`, params);
  if (affected === 1) await run(tx, 'DELETE FROM uac_activation_token WHERE user_id = ?', [id]);
}

/** Marks the registration that waits at this address, if any: who was refused may be its owner, and would activate another's password. Unique key. */
export async function contestAddress(db: Db, emailKey: string): Promise<void> {
  await run(db, `UPDATE pc_uac_user SET contested = 1 WHERE email_key = ? AND ${WAITING}`, [emailKey]);
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

/** The hash of a user's password. Primary key. */
export async function findPasswordHash(db: Db, id: string): Promise<string | undefined> {
  const { rows } = await run<{ login_pwd: string }>(db, 'SELECT login_pwd FROM pc_uac_user WHERE id = ?', [id]);
  return rows[0]?.login_pwd;
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
 * Adds a user, disabled, with source REGISTER. The number is noted but held only once the user is active. A key that is taken is a duplicate error of the
 * database, after which the transaction must be rolled back.
 */
export async function insertUser(tx: Knex.Transaction, id: string, registration: Registration, secret: NewUserSecret): Promise<void> {
  const { now } = dialectOf(tx);
  await run(
    tx,
    `INSERT INTO pc_uac_user (id, login_name, login_name_key, login_pwd, user_name, mobile_no, email, email_key,
       status, user_source, register_source, contested, created_time, update_time)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'DISABLE', 'REGISTER', ?, ?, ${now}, ${now})`,
    [
      id,
      registration.loginName,
      registration.loginNameKey,
      secret.passwordHash,
      registration.loginName,
      registration.mobileKey ?? '',
      registration.email,
      registration.emailKey,
      registration.registerSource,
      secret.contested ? 1 : 0,
    ],
  );
}

/** What of a new user is not in the registration. */
export type NewUserSecret = { passwordHash: string; contested: boolean };

/**
 * Enables a user who waits for activation, who from then on holds the number. A number that another user holds is a duplicate error of the database.
 * @param mobileKey undefined: none
 * @returns false when the user does not wait (any more)
 */
export async function enableUser(tx: Knex.Transaction, id: string, mobileKey: string | undefined): Promise<boolean> {
  const { now } = dialectOf(tx);
  const { affected } = await run(
    tx,
    `UPDATE pc_uac_user SET status = 'ENABLE', activated_at = ${now}, mobile_key = ?, update_time = ${now}, version = version + 1
     WHERE id = ? AND ${WAITING}`,
    [mobileKey ?? null, id],
  );
  return affected === 1;
}

/** Gives a user, newly enabled, the role and the group. */
export async function insertRoleAndGroup(tx: Knex.Transaction, userId: string, roleId: number, groupId: number): Promise<void> {
  await run(tx, 'INSERT INTO pc_uac_role_user (role_id, user_id) VALUES (?, ?)', [roleId, userId]);
  await run(tx, 'INSERT INTO pc_uac_group_user (group_id, user_id) VALUES (?, ?)', [groupId, userId]);
}

/** Remembers a login that went well. */
export async function updateLastLogin(tx: Tx, userId: string, ip: string): Promise<void> {
  await run(tx, `UPDATE pc_uac_user SET last_login_ip = ?, last_login_time = ${dialectOf(tx).now} WHERE id = ?`, [ip, userId]);
}
