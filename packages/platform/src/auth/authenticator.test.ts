import { describe, expect, it } from 'vitest';
import { createAuthenticator } from './authenticator.ts';
import type { Credentials } from './credentials.ts';
import { createTokenTable, hashToken, type TokenEntry } from './tokens.ts';

const producer = (token: string, more: Partial<TokenEntry> = {}) =>
  ({ kind: 'producer', group: 'A', sha256: hashToken(token).toString('hex'), ...more }) as TokenEntry;
const certified: TokenEntry = { kind: 'consumer', group: 'C', subject: 'CN=c' };
const credentials = (token: Credentials['token'], certificate: Credentials['certificate'] = { state: 'none' }): Credentials => ({
  token,
  certificate,
  peer: '127.0.0.1:1',
});
const accepted = (subject: string, validTo = Number.MAX_VALUE): Credentials['certificate'] => ({ state: 'accepted', subjects: [subject], validTo });
const a = credentials(hashToken('a'));

describe('the authenticator', () => {
  it('takes the old and the new token while both stand in the file, and drops who came with one that goes', () => {
    const authenticator = createAuthenticator({ table: createTokenTable([producer('a')]), certificateRequired: false });
    const old = authenticator.enter(a);
    authenticator.replace(createTokenTable([producer('a'), producer('b')]));
    const renewed = authenticator.enter(credentials(hashToken('b')));
    expect(old.ended.aborted).toBe(false);
    authenticator.replace(createTokenTable([producer('b')]));
    expect([old.ended.aborted, renewed.ended.aborted]).toEqual([true, false]);
    expect(old.ended.reason).toMatchObject({ reason: 'TOKEN_UNKNOWN' });
    expect(() => authenticator.enter(a)).toThrow(/not known, or was removed/);
  });

  it('drops who is inside when the token is given to another group', () => {
    const authenticator = createAuthenticator({ table: createTokenTable([producer('a')]), certificateRequired: false });
    const authenticated = authenticator.enter(a);
    authenticator.replace(createTokenTable([producer('a', { group: 'B' } as Partial<TokenEntry>)]));
    expect(authenticated.ended.aborted).toBe(true);
  });

  it('refuses a token from its last moment on, also for who is inside', () => {
    let now = Date.parse('2026-12-31T23:59:59.999Z');
    const table = createTokenTable([producer('a', { expires: '2027-01-01T00:00:00Z' })]);
    const authenticator = createAuthenticator({ table, certificateRequired: false, now: () => now });
    const authenticated = authenticator.enter(a);
    now++;
    expect(() => authenticator.enter(a)).toThrow('The access expired at 2027-01-01T00:00:00Z.');
    authenticator.recheck();
    expect(authenticated.ended.reason).toMatchObject({ reason: 'TOKEN_EXPIRED' });
  });

  it('keeps no one in mind who has left', () => {
    const authenticator = createAuthenticator({ table: createTokenTable([producer('a')]), certificateRequired: false });
    const authenticated = authenticator.enter(a);
    authenticated.leave();
    authenticator.replace(createTokenTable([]));
    expect(authenticated.ended.aborted).toBe(false);
  });

  it.each([
    ['no certificate', credentials(hashToken('a')), 'CERTIFICATE_REFUSED'],
    ['a refused certificate', credentials(hashToken('a'), { state: 'refused', cause: 'it has expired' }), 'CERTIFICATE_REFUSED'],
    ['a certificate that expired since', credentials(hashToken('a'), accepted('CN=c', 1)), 'CERTIFICATE_REFUSED'],
    ['a certificate without a readable end', credentials(hashToken('a'), accepted('CN=c', Number.NaN)), 'CERTIFICATE_REFUSED'],
    ['a certificate of nobody', credentials('none', accepted('CN=x')), 'CERTIFICATE_UNKNOWN'],
    ['a wrong token beside a good certificate', credentials(hashToken('x'), accepted('CN=c')), 'TOKEN_UNKNOWN'],
    ['a malformed token beside a good certificate', credentials('malformed', accepted('CN=c')), 'TOKEN_MALFORMED'],
  ])('with mTLS refuses %s', (_, shown, reason) => {
    const authenticator = createAuthenticator({ table: createTokenTable([producer('a'), certified]), certificateRequired: true });
    expect(() => authenticator.enter(shown)).toThrow(expect.objectContaining({ reason }));
  });

  it('with mTLS takes the group of the certificate, or that of the token where one is sent', () => {
    const authenticator = createAuthenticator({ table: createTokenTable([producer('a'), certified]), certificateRequired: true });
    expect(authenticator.enter(credentials('none', accepted('CN=c'))).caller).toEqual({ kind: 'consumer', group: 'C' });
    expect(authenticator.enter(credentials(hashToken('a'), accepted('CN=x'))).caller).toEqual({ kind: 'producer', group: 'A' });
  });

  it('without mTLS believes no certificate', () => {
    const authenticator = createAuthenticator({ table: createTokenTable([certified]), certificateRequired: false });
    expect(() => authenticator.enter(credentials('none', accepted('CN=c')))).toThrow(expect.objectContaining({ reason: 'TOKEN_MISSING' }));
  });
});
