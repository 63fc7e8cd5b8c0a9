import { describe, expect, it } from 'vitest';
import { createTokenTable, hashToken, parseTokensFile, type TokenEntry } from './tokens.ts';

const sha256 = hashToken('secret').toString('hex');
const file = (...entries: object[]) => JSON.stringify({ entries });

describe('a tokens file', () => {
  it('knows producers, consumers, operators and services, by token or by certificate', () => {
    const entries = [
      { kind: 'producer', group: 'PID_UAC', sha256, expires: '2027-01-31T00:00:00Z', created: '2026-11-24' },
      { kind: 'consumer', group: 'CID_OPC', subject: 'CN=opc' },
      { kind: 'operator', name: 'ada', role: 'viewer', subject: 'URI=spiffe://house/ada' },
      { kind: 'service', name: 'shop', sha256: hashToken('other').toString('hex') },
    ];
    expect(parseTokensFile(file(...entries))).toEqual(entries);
  });

  it.each([
    ['not JSON', '{"entries": [secret', /^not JSON$/],
    ['another kind', file({ kind: 'root', sha256 }), /^entry 1: kind: /],
    ['no group', file({ kind: 'producer', sha256 }), /^entry 1: group: it is missing$/],
    ['a bad group', file({ kind: 'producer', group: 'A B', sha256 }), /^entry 1: group: expected 1 to 64/],
    ['another role', file({ kind: 'operator', name: 'a', role: 'admin', sha256 }), /^entry 1: role: /],
    ['neither token nor subject', file({ kind: 'producer', group: 'A' }), /^entry 1: expected either/],
    ['token and subject', file({ kind: 'producer', group: 'A', sha256, subject: 'CN=a' }), /^entry 1: expected either/],
    ['a token as it is', file({ kind: 'producer', group: 'A', sha256: 'tpc_secret' }), /entry 1: sha256: expected 64 hex digits/],
    ['a misspelled field', file({ kind: 'producer', group: 'A', sha256, expire: '2027-01-31T00:00:00Z' }), /entry 1: /],
    ['a date that is none', file({ kind: 'producer', group: 'A', sha256, expires: 'soon' }), /entry 1: expires: expected a time/],
    [
      'one token twice',
      file({ kind: 'producer', group: 'A', sha256 }, { kind: 'producer', group: 'B', sha256: sha256.toUpperCase() }),
      /entry 2: the same/,
    ],
  ])('with %s is refused, and says where', (_, text, message) => {
    const error = (() => {
      try {
        parseTokensFile(text);
      } catch (thrown) {
        return thrown as Error;
      }
      throw new Error('taken');
    })();
    expect(error.message).toMatch(message);
    expect(error.message).not.toContain('secret');
  });

  it('finds each of several tokens of a group, and nothing else', () => {
    const entry = (token: string, group: string): TokenEntry => ({ kind: 'producer', group, sha256: hashToken(token).toString('hex') });
    const table = createTokenTable([entry('old', 'A'), entry('new', 'A'), entry('b', 'B')]);
    const groupOf = (token: string) => (table.byHash(hashToken(token))?.caller as { group?: string } | undefined)?.group;
    expect(['old', 'new', 'b', 'c', ''].map(groupOf)).toEqual(['A', 'A', 'B', undefined, undefined]);
  });
});
