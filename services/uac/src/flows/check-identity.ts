import type { Knex } from 'knex';
import { type IdentityKind, identityKey } from '../domain/identity.ts';
import { findUserByKey } from '../store/users.ts';
import { refuseFields } from './refusal.ts';

const FORMAT = { loginName: 'UAC10011101', email: 'UAC10011102', mobileNo: 'UAC10011103' } as const;

/**
 * Whether nobody has this login name, address or number yet (F-05a).
 * @throws AppError UAC10011105 value missing, UAC10011101 to UAC10011103 it could not be registered at all
 */
export async function isFree(db: Knex, kind: IdentityKind, value: string): Promise<boolean> {
  return (await findUserByKey(db, kind, keyOf(kind, value))) === undefined;
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
  if (!key) throw refuseFields([{ field: 'value', code: FORMAT[kind] }]);
  return key;
}
