import { describe, expect, it } from 'vitest';
import { createGate } from './gate.ts';
import type { Proof } from './peer.ts';
import { createTokenTable, hashToken, type TokenEntry } from './tokens.ts';

const producer = (token: string, more: Partial<TokenEntry> = {}) =>
  ({ kind: 'producer', group: 'A', sha256: hashToken(token).toString('hex'), ...more }) as TokenEntry;
const certified: TokenEntry = { kind: 'consumer', group: 'C', subject: 'CN=c' };
const proof = (token: Proof['token'], certificate: Proof['certificate'] = { state: 'none' }): Proof => ({ token, certificate, peer: '127.0.0.1:1' });
const accepted = (subject: string, validTo = Number.MAX_VALUE): Proof['certificate'] => ({ state: 'accepted', subjects: [subject], validTo });
const a = proof(hashToken('a'));

describe('the gate', () => {
  it('takes the old and the new token while both stand in the file, and drops who came with one that goes', () => {
    const gate = createGate({ table: createTokenTable([producer('a')]), certificateRequired: false });
    const old = gate.enter(a);
    gate.replace(createTokenTable([producer('a'), producer('b')]));
    const renewed = gate.enter(proof(hashToken('b')));
    expect(old.ended.aborted).toBe(false);
    gate.replace(createTokenTable([producer('b')]));
    expect([old.ended.aborted, renewed.ended.aborted]).toEqual([true, false]);
    expect(old.ended.reason).toMatchObject({ reason: 'TOKEN_UNKNOWN' });
    expect(() => gate.enter(a)).toThrow(/not known, or was removed/);
  });

  it('drops who is inside when the token is given to another group', () => {
    const gate = createGate({ table: createTokenTable([producer('a')]), certificateRequired: false });
    const visit = gate.enter(a);
    gate.replace(createTokenTable([producer('a', { group: 'B' } as Partial<TokenEntry>)]));
    expect(visit.ended.aborted).toBe(true);
  });

  it('refuses a token from its last moment on, also for who is inside', () => {
    let now = Date.parse('2026-12-31T23:59:59.999Z');
    const table = createTokenTable([producer('a', { expires: '2027-01-01T00:00:00Z' })]);
    const gate = createGate({ table, certificateRequired: false, now: () => now });
    const visit = gate.enter(a);
    now++;
    expect(() => gate.enter(a)).toThrow('The access expired at 2027-01-01T00:00:00Z.');
    gate.recheck();
    expect(visit.ended.reason).toMatchObject({ reason: 'TOKEN_EXPIRED' });
  });

  it('keeps no one in mind who has left', () => {
    const gate = createGate({ table: createTokenTable([producer('a')]), certificateRequired: false });
    const visit = gate.enter(a);
    visit.leave();
    gate.replace(createTokenTable([]));
    expect(visit.ended.aborted).toBe(false);
  });

  it.each([
    ['no certificate', proof(hashToken('a')), 'CERTIFICATE_REFUSED'],
    ['a refused certificate', proof(hashToken('a'), { state: 'refused', cause: 'it has expired' }), 'CERTIFICATE_REFUSED'],
    ['a certificate that expired since', proof(hashToken('a'), accepted('CN=c', 1)), 'CERTIFICATE_REFUSED'],
    ['a certificate without a readable end', proof(hashToken('a'), accepted('CN=c', Number.NaN)), 'CERTIFICATE_REFUSED'],
    ['a certificate of nobody', proof('none', accepted('CN=x')), 'CERTIFICATE_UNKNOWN'],
    ['a wrong token beside a good certificate', proof(hashToken('x'), accepted('CN=c')), 'TOKEN_UNKNOWN'],
    ['a malformed token beside a good certificate', proof('malformed', accepted('CN=c')), 'TOKEN_MALFORMED'],
  ])('with mTLS refuses %s', (_, shown, reason) => {
    const gate = createGate({ table: createTokenTable([producer('a'), certified]), certificateRequired: true });
    expect(() => gate.enter(shown)).toThrow(expect.objectContaining({ reason }));
  });

  it('with mTLS takes the group of the certificate, or that of the token where one is sent', () => {
    const gate = createGate({ table: createTokenTable([producer('a'), certified]), certificateRequired: true });
    expect(gate.enter(proof('none', accepted('CN=c'))).caller).toEqual({ kind: 'consumer', group: 'C' });
    expect(gate.enter(proof(hashToken('a'), accepted('CN=x'))).caller).toEqual({ kind: 'producer', group: 'A' });
  });

  it('without mTLS believes no certificate', () => {
    const gate = createGate({ table: createTokenTable([certified]), certificateRequired: false });
    expect(() => gate.enter(proof('none', accepted('CN=c')))).toThrow(expect.objectContaining({ reason: 'TOKEN_MISSING' }));
  });
});
