/**
 * What identifies a user: login name, e-mail address, mobile number. Each has a form as typed and a key, its normalised form; two users
 * are the same where a key is, and the database's unique keys stand on the keys.
 */

import { emailKey } from './email.ts';

export type IdentityKind = 'loginName' | 'email' | 'mobileNo';

const LOGIN_NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{2,49}$/;
/** A mobile number of mainland China, with or without its country code: the original's rule, with the number ranges that exist today. */
const MAINLAND_MOBILE = /^(?:\+?86)?(1[3-9]\d{9})$/;
/** Any other number, with its country code (E.164: up to 15 digits). */
const E164 = /^\+(?!86)[1-9]\d{6,14}$/;
/** What people write between the digits. */
const SEPARATORS = /[ ().-]/g;

/** Key of a login name: case does not make another name. Undefined when it is none. */
export function loginNameKey(loginName: string): string | undefined {
  const name = loginName.trim();
  return LOGIN_NAME.test(name) ? name.toLowerCase() : undefined;
}

/** Key of a mobile number: E.164, for example +8613800138000. A number without a country code is one of mainland China. */
export function mobileKey(mobileNo: string): string | undefined {
  const digits = mobileNo.trim().replaceAll(SEPARATORS, '');
  const mainland = MAINLAND_MOBILE.exec(digits)?.[1];
  if (mainland !== undefined) return `+86${mainland}`;
  return E164.test(digits) ? digits : undefined;
}

/** Key of an identity of any kind; undefined when the value has not its form. */
export function identityKey(kind: IdentityKind, value: string): string | undefined {
  if (kind === 'loginName') return loginNameKey(value);
  return kind === 'email' ? emailKey(value) : mobileKey(value);
}
