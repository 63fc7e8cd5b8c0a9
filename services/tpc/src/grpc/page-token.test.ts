import { describe, expect, it } from 'vitest';
import { createPageTokens } from './page-token.ts';

const tokens = createPageTokens(Buffer.from('a secret'));
const filters = { topic: 'T', states: [20] };

describe('page tokens', () => {
  it('give back where the page ended', () => {
    expect(tokens.decode(tokens.encode(42, filters), filters)).toBe(42);
  });

  it('are the first page when empty', () => {
    expect(tokens.decode('', filters)).toBeUndefined();
  });

  it('are good at every replica with the same secret', () => {
    expect(createPageTokens(Buffer.from('a secret')).decode(tokens.encode(7, filters), filters)).toBe(7);
  });

  it('tell nothing of what stands in them, and differ each time', () => {
    const token = tokens.encode(123456789, filters);
    expect(Buffer.from(token, 'base64url').toString('latin1')).not.toContain('123456789');
    expect(tokens.encode(123456789, filters)).not.toBe(token);
  });

  it('are refused with other filters', () => {
    expect(() => tokens.decode(tokens.encode(1, filters), { ...filters, topic: 'U' })).toThrow(
      expect.objectContaining({ reason: 'PAGE_TOKEN_INVALID', violations: [expect.objectContaining({ field: 'page_token' })] }),
    );
  });

  it.each(['x', 'bm90IG91cnMgYXQgYWxsLCBuZXZlciB3YXMgb3Vycw', '////'])('are refused when not ours: %s', (token) => {
    expect(() => tokens.decode(token, filters)).toThrow(expect.objectContaining({ reason: 'PAGE_TOKEN_INVALID' }));
  });

  it('are refused when changed in one character', () => {
    const token = tokens.encode(1, filters);
    const changed = `${token.slice(0, 20)}${token[20] === 'A' ? 'B' : 'A'}${token.slice(21)}`;
    expect(() => tokens.decode(changed, filters)).toThrow(expect.objectContaining({ reason: 'PAGE_TOKEN_INVALID' }));
  });

  it('are refused when made with another secret', () => {
    const foreign = createPageTokens(Buffer.from('another')).encode(1, filters);
    expect(() => tokens.decode(foreign, filters)).toThrow(expect.objectContaining({ reason: 'PAGE_TOKEN_INVALID' }));
  });
});
