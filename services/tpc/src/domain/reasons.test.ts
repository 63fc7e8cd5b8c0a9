import { describe, expect, it } from 'vitest';
import { REASONS, reasonText } from './reasons.ts';

const entries = Object.entries(REASONS);

describe('the table of errors', () => {
  it('gives each code once, in the form that ErrorInfo asks for', () => {
    const codes = entries.map(([, entry]) => entry.code);
    expect(new Set(codes).size).toBe(codes.length);
    for (const code of codes) expect(code).toMatch(/^[A-Z][A-Z0-9_]{1,61}[A-Z0-9]$/);
  });

  it('uses the name as the code of everything that the original did not have', () => {
    for (const [name, entry] of entries) expect(entry.code.startsWith('TPC1005') || entry.code === name).toBe(true);
  });

  it('fills in the variables of a message and leaves unknown ones visible', () => {
    expect(reasonText('KEY_CONFLICT', { message_key: 'k' })).toContain('Key k is known');
    expect(reasonText('KEY_CONFLICT', {})).toContain('{message_key}');
  });
});
