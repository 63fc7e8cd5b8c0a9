import { expect, it } from 'vitest';
import { createPageTokens } from './page-token.ts';

const secret = Buffer.alloc(32, 7);
const filters = { topic: 'T', states: [10] };
const refusal = expect.objectContaining({ reason: 'PAGE_TOKEN_INVALID' });

it('gives back what it was made from, on every replica with the same secret', () => {
  const token = createPageTokens(secret).encode([5, 'k'], filters);
  expect(createPageTokens(Buffer.from(secret)).decode(token, filters)).toEqual([5, 'k']);
});

it('takes the empty token for a first page', () => {
  expect(createPageTokens(secret).decode('', filters)).toBeUndefined();
});

it('refuses a token with other filters, of another secret, altered, or made up', () => {
  const tokens = createPageTokens(secret);
  const token = tokens.encode('k', filters);
  expect(() => tokens.decode(token, { ...filters, topic: 'U' })).toThrow(refusal);
  expect(() => createPageTokens(Buffer.alloc(32, 8)).decode(token, filters)).toThrow(refusal);
  const altered = `${token.slice(0, -2)}${token.endsWith('AA') ? 'BB' : 'AA'}`;
  for (const bad of [altered, 'x', Buffer.from('{"last":1}').toString('base64url'), token.slice(4)])
    expect(() => tokens.decode(bad, filters)).toThrow(refusal);
});

it('shows nothing of what stands in it', () => {
  const token = createPageTokens(secret).encode('PID_UAC:42', filters);
  expect(Buffer.from(token, 'base64url').toString('latin1')).not.toContain('PID_UAC');
});
