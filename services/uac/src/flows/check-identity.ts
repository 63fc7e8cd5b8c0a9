import type { Knex } from 'knex';
import { judgeClaims } from '../domain/claims.ts';
import type { UacCode } from '../domain/codes.ts';
import { emailProblem } from '../domain/email.ts';
import { type IdentityKind, identityKey } from '../domain/identity.ts';
import { findHolders, findUserByKey } from '../store/users.ts';
import { refuseFields } from './refusal.ts';

/** Why a value cannot be registered at all. */
const PROBLEM: Record<IdentityKind, (value: string) => UacCode> = {
  loginName: () => 'UAC10011101',
  email: emailProblem,
  mobileNo: () => 'UAC10011103',
};

const NO_KEYS = { loginNameKey: '', emailKey: '', mobileKey: undefined };
const KEY_FIELD = { loginName: 'loginNameKey', email: 'emailKey', mobileNo: 'mobileKey' } as const;

/**
 * Whether a registration could have this login name, address or number (F-05a). A registration that waits holds its login name as long as its link works,
 * and neither address nor number (domain/claims.ts).
 * @throws AppError UAC10011105 value missing, UAC10011101 to UAC10011103 it could not be registered at all
 */
export async function isFree(db: Knex, kind: IdentityKind, value: string): Promise<boolean> {
  const holders = await findHolders(db, { ...NO_KEYS, [KEY_FIELD[kind]]: keyOf(kind, value) });
  return 'replaced' in judgeClaims(holders, { password: false, mobile: false });
}

/**
 * Whether an enabled user has this address or number (F-05a).
 * @throws AppError as isFree
 */
export async function isActive(db: Knex, kind: 'email' | 'mobileNo', value: string): Promise<boolean> {
  return (await findUserByKey(db, kind, keyOf(kind, value)))?.status === 'ENABLE';
}

function keyOf(kind: IdentityKind, value: string): string {
  if (value.trim() === '') throw refuseFields([{ field: 'value', code: 'UAC10011105' }]);
  const key = identityKey(kind, value);
  if (!key) throw refuseFields([{ field: 'value', code: PROBLEM[kind](value) }]);
  return key;
}
