import type { PeerCertificate } from 'node:tls';
import { expect, it } from 'vitest';
import { subjectsOf, tokenOf } from './credentials.ts';
import { hashToken } from './tokens.ts';

it.each([['Bearer tpc_a-b.c'], ['bearer tpc_a-b.c'], ['BEARER  tpc_a-b.c']])('reads the token of "%s"', (header) => {
  expect(tokenOf([header])).toEqual(hashToken('tpc_a-b.c'));
});

it.each([
  ['tpc_a'],
  ['Bearer'],
  ['Bearer '],
  ['Basic dHBjOmE='],
  ['Bearer a b'],
  ['Bearer a, Bearer b'],
  ['Bearer a\r\nx: y'],
  [' Bearer a'],
  ['Bearer "a"'],
  [`Bearer ${'a'.repeat(513)}`],
])('takes %j for no token', (header) => {
  expect(tokenOf([header])).toBe('malformed');
});

it('takes two tokens for none', () => {
  expect(tokenOf(['Bearer a', 'Bearer a'])).toBe('malformed');
  expect(tokenOf([])).toBe('none');
});

it.each([
  [{ subject: { CN: 'uac' }, subjectaltname: 'DNS:x, URI:spiffe://house/uac, IP Address:127.0.0.1' }, ['CN=uac', 'URI=spiffe://house/uac']],
  [{ subject: { CN: ['uac', 'opc'] } }, []],
  [{ subject: { CN: 'a' }, subjectaltname: 'DNS:"x, URI:spiffe://house/admin"' }, ['CN=a']],
  [{ subject: { CN: 'a' }, subjectaltname: 'URI:"spiffe://house/a, URI:spiffe://house/admin"' }, ['CN=a']],
  [{ subject: {} }, []],
])('knows a certificate by its one common name and its URIs: %j', (certificate, subjects) => {
  expect(subjectsOf(certificate as unknown as PeerCertificate)).toEqual(subjects);
});
