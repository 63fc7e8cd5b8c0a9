import { expect, it, vi } from 'vitest';

const compared = vi.hoisted(() => ({ pairs: [] as [Uint8Array, Uint8Array][] }));
vi.mock('node:crypto', async (original) => {
  const crypto = await original<typeof import('node:crypto')>();
  const timingSafeEqual = (a: Uint8Array, b: Uint8Array) => {
    compared.pairs.push([a, b]);
    return crypto.timingSafeEqual(a, b);
  };
  return { ...crypto, timingSafeEqual };
});

import { createTokenTable, hashToken, type TokenEntry } from './tokens.ts';

it('compares a token with every entry, in constant time, wherever it stands', () => {
  const entries = ['a', 'b', 'c'].map((name): TokenEntry => ({ kind: 'service', name, sha256: hashToken(name).toString('hex') }));
  const table = createTokenTable(entries);
  for (const token of ['a', 'c', 'unknown']) {
    compared.pairs = [];
    expect(table.byHash(hashToken(token)) !== undefined).toBe(token !== 'unknown');
    expect(compared.pairs).toHaveLength(3);
    expect(compared.pairs.every(([a, b]) => a.length === 32 && b.length === 32)).toBe(true);
  }
});
