import { describe, expect, it } from 'vitest';
import { type Holder, judgeClaims } from './claims.ts';

const NOTHING = { loginName: false, mobileNo: false, email: false };
const NAME = { ...NOTHING, loginName: true };
const EMAIL = { ...NOTHING, email: true };
const waiting: Holder = { id: '1', waiting: true, linkWorks: true, contested: false, passwordHash: '', mobileKey: undefined, holds: NOTHING };
const active: Holder = { ...waiting, id: '2', waiting: false };
const other = { password: false, mobile: false };

/** Codes of what is taken, or ids of what gives way with the contest. */
function judged(holders: Holder[], same = other): string {
  const claims = judgeClaims(holders, same);
  if ('taken' in claims) return claims.taken.map(({ code }) => code).join(' ');
  const nameless = claims.nameless.map((id) => `${id} nameless`);
  return `${[...claims.replaced, ...nameless].join()}${claims.contested ? ' contested' : ''}`;
}

describe('judgeClaims', () => {
  it.each<[string, Holder[], string]>([
    ['nobody', [], ''],
    [
      'an active user with all of it',
      [{ ...active, holds: { loginName: true, mobileNo: true, email: true } }],
      'UAC10011012 UAC10011013 UAC10011019',
    ],
    ['a waiting one of the same address', [{ ...waiting, holds: EMAIL }], '1 contested'],
    ['a waiting one of the same address and name', [{ ...waiting, holds: { ...EMAIL, loginName: true } }], '1 contested'],
    ['a waiting one of the same name, whose link works', [{ ...waiting, holds: NAME }], 'UAC10011012'],
    ['a waiting one of the same name, whose link is too old', [{ ...waiting, linkWorks: false, holds: NAME }], '1 nameless'],
    [
      'a waiting one of the address, and an active one of the name',
      [
        { ...waiting, holds: EMAIL },
        { ...active, holds: NAME },
      ],
      'UAC10011012',
    ],
  ])('%s', (_who, holders, verdict) => {
    expect(judged(holders)).toBe(verdict);
  });

  it('names the field of what is taken', () => {
    const holders = [{ ...active, holds: { loginName: true, mobileNo: true, email: true } }];
    expect(judgeClaims(holders, other)).toMatchObject({ taken: [{ field: 'loginName' }, { field: 'mobileNo' }, { field: 'email' }] });
  });

  it.each<[string, Partial<Holder>, { password: boolean; mobile: boolean }, string]>([
    ['the same password', { holds: EMAIL }, { password: true, mobile: true }, '1'],
    ['the same password, contested before', { holds: EMAIL, contested: true }, { password: true, mobile: true }, '1 contested'],
    ['the same password and login name', { holds: { ...EMAIL, loginName: true } }, { password: true, mobile: true }, 'UAC10011012'],
    ['the same again with another number', { holds: { ...EMAIL, loginName: true } }, { password: true, mobile: false }, '1'],
    ['another password with the same name and number', { holds: { ...EMAIL, loginName: true } }, { password: false, mobile: true }, '1 contested'],
  ])('a waiting one of the same address with %s', (_what, change, same, verdict) => {
    expect(judged([{ ...waiting, ...change }], same)).toBe(verdict);
  });
});
