import { describe, expect, it } from 'vitest';
import { hashedForms, isAllowedPassword, preparePassword } from './password.ts';

describe('isAllowedPassword', () => {
  it.each([
    ['12345678', true],
    ['1234567', false],
    ['x'.repeat(64), true],
    ['x'.repeat(65), false],
    ['密码'.repeat(12), true],
    ['密码'.repeat(13), false],
    ['1234567\u0000x', false],
    ['1234567\tx', false],
    ['1234567\u00adx', false],
    ['1234567\ue000x', false],
    ['1234567\ud800x', false],
    ['1234567\u200dx', true],
    ['🐎🔋📎✅🐎🔋📎✅', true],
    ['        ', true],
    // As typed 12 characters, in their one form 6: too short; as typed 90 bytes, in their one form 60: short enough.
    ['e\u0301'.repeat(6), false],
    ['e\u0301'.repeat(30), true],
  ])('%j: %s', (password, allowed) => {
    expect(isAllowedPassword(preparePassword(password))).toBe(allowed);
  });
});

describe('preparePassword', () => {
  it.each([
    ['e\u0301', '\u00e9'],
    ['a\u3000b\u00a0c', 'a b c'],
    ['Straße ﬁ Ａ', 'Straße ﬁ Ａ'],
    [' both ends ', ' both ends '],
  ])('%j is %j', (typed, prepared) => {
    expect(preparePassword(typed)).toBe(prepared);
  });
});

describe('hashedForms', () => {
  it.each([
    ['secret', ['secret']],
    ['a\u3000b', ['a b', 'a\u3000b']],
    ['\u00e9', ['\u00e9', 'e\u0301']],
    ['e\u0301', ['\u00e9', 'e\u0301']],
    ['\u00e9\u3000', ['\u00e9 ', '\u00e9\u3000', 'e\u0301\u3000']],
    ['x'.repeat(72), ['x'.repeat(72)]],
    ['x'.repeat(73), []],
    ['a\0b', []],
    // Composed it has 72 bytes; in the other form bcrypt would not see the whole of it.
    ['\u00e9'.repeat(36), ['\u00e9'.repeat(36)]],
  ])('of %j are %j', (typed, forms) => {
    expect(hashedForms(typed)).toEqual(forms);
  });
});
