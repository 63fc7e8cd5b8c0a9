import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { CODES, isUacCode, numberOfCode, type UacCode } from './codes.ts';
import { languageOf } from './language.ts';
import { judgeRefresh, REUSE_GRACE_MS, type StoredRefreshToken } from './refresh.ts';
import { hashSecretToken, newSecretToken } from './secret-token.ts';
import { awaitsActivation, loginRefusal } from './user.ts';

describe('languageOf', () => {
  it.each([
    [undefined, 'zh'],
    ['', 'zh'],
    ['*', 'zh'],
    ['zh-CN,zh;q=0.9,en;q=0.8', 'zh'],
    ['en-US,en;q=0.9,zh;q=0.8', 'en'],
    ['fr,zh;q=0.2,en;q=0.5', 'en'],
    ['de, fr', 'en'],
    ['en;q=0, zh;q=0.1', 'zh'],
    [';;;,,,q=', 'zh'],
  ])('%j reads %s', (header, language) => {
    expect(languageOf(header)).toBe(language);
  });
});

describe('judgeRefresh', () => {
  const fresh: StoredRefreshToken = { expired: false, sessionEnded: false, usedMsAgo: undefined };
  it.each<[StoredRefreshToken | undefined, string]>([
    [fresh, 'rotate'],
    [undefined, 'refuse'],
    [{ ...fresh, expired: true }, 'refuse'],
    [{ ...fresh, sessionEnded: true }, 'refuse'],
    [{ ...fresh, usedMsAgo: 0 }, 'refuse'],
    [{ ...fresh, usedMsAgo: REUSE_GRACE_MS }, 'refuse'],
    [{ ...fresh, usedMsAgo: REUSE_GRACE_MS + 1 }, 'end-session'],
    [{ ...fresh, usedMsAgo: REUSE_GRACE_MS + 1, expired: true }, 'end-session'],
    [{ ...fresh, usedMsAgo: REUSE_GRACE_MS + 1, sessionEnded: true }, 'refuse'],
  ])('%o: %s', (token, verdict) => {
    expect(judgeRefresh(token)).toBe(verdict);
  });
});

describe('secret tokens', () => {
  it('have 256 random bits, and a hash that is not the token', () => {
    const token = newSecretToken();
    expect(Buffer.from(token, 'base64url')).toHaveLength(32);
    expect(newSecretToken()).not.toBe(token);
    expect(hashSecretToken(token)).toHaveLength(32);
    expect(hashSecretToken(token)?.toString('base64url')).not.toBe(token);
    expect(newSecretToken((bytes) => Buffer.alloc(bytes, 0xff))).toBe(`${'_'.repeat(42)}8`);
  });

  it('have a hash that never changes: it is stored', () => {
    const sha256 = createHash('sha256').update('a'.repeat(43)).digest();
    expect(hashSecretToken('a'.repeat(43))).toEqual(sha256);
  });

  it.each(['', 'abc', `${'a'.repeat(43)}=`, `=${'a'.repeat(43)}`, 'a'.repeat(42), 'a'.repeat(44), 'ä'.repeat(43)])(
    'of another form have no hash: %j',
    (token) => {
      expect(hashSecretToken(token)).toBeUndefined();
    },
  );
});

describe('states of a user', () => {
  it.each([
    [{ status: 'ENABLE', everActive: true } as const, undefined, false],
    [{ status: 'ENABLE', everActive: false } as const, undefined, false],
    [{ status: 'DISABLE', everActive: false } as const, 'UAC10011106', true],
    [{ status: 'DISABLE', everActive: true } as const, 'UAC10011107', false],
  ])('%o: login refused with %s, awaits activation %s', (user, refusal, awaits) => {
    expect(loginRefusal(user)).toBe(refusal);
    expect([awaitsActivation({ ...user, loginName: 'ada' }), awaitsActivation({ ...user, loginName: '' })]).toEqual([awaits, false]);
  });
});

describe('codes', () => {
  it('each have a number of eight digits, a speaking name of their own and both languages', () => {
    const entries = Object.entries(CODES);
    for (const [code, entry] of entries) {
      expect(numberOfCode(code as UacCode)).toBeGreaterThan(10_011_000);
      expect(entry.zh).toMatch(/[\u4e00-\u9fff]/);
      expect(entry.en).toMatch(/^[A-Z].*\.$/);
    }
    expect(new Set(entries.map(([, entry]) => entry.name)).size).toBe(entries.length);
    expect(numberOfCode('UAC10011012')).toBe(10_011_012);
  });

  it('are told from reasons of others', () => {
    expect(['UAC10011012', 'UAC10011999', 'toString', ''].map(isUacCode)).toEqual([true, false, false, false]);
  });
});
