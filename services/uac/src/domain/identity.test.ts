import { describe, expect, it } from 'vitest';
import { identityKey, loginNameKey, mobileKey } from './identity.ts';

describe('identities', () => {
  it.each([
    ['Alice', 'alice'],
    ['a_b-c.9', 'a_b-c.9'],
    ['  Bob  ', 'bob'],
    ['x'.repeat(50), 'x'.repeat(50)],
    ['x'.repeat(51), undefined],
    ['ab', undefined],
    ['abc', 'abc'],
    ['abc!', undefined],
    ['!abc', undefined],
    ['.abc', undefined],
    ['_ab', undefined],
    ['a b c', undefined],
    ['<b>x</b>', undefined],
    ['Алиса', undefined],
    ['abc\n', 'abc'],
    ['a\0bc', undefined],
  ])('login name %j has key %j', (name, key) => {
    expect(loginNameKey(name)).toBe(key);
  });

  it.each([
    ['13800138000', '+8613800138000'],
    ['8613800138000', '+8613800138000'],
    ['+8613800138000', '+8613800138000'],
    ['+86 138-0013-8000', '+8613800138000'],
    [' 19912345678 ', '+8619912345678'],
    ['+44 7911 123456', '+447911123456'],
    ['+1 (555) 010-0123', '+15550100123'],
    [`+1${'2'.repeat(14)}`, `+1${'2'.repeat(14)}`],
    [`+1${'2'.repeat(15)}`, undefined],
    ['+86 12800138000', undefined],
    ['+0 7911 123456', undefined],
    ['447911123456', undefined],
    ['12800138000', undefined],
    ['1380013800', undefined],
    ['138001380000', undefined],
    ['+1 555', undefined],
    ['１３８００１３８０００', undefined],
    ['\t13800138000\n', '+8613800138000'],
    ['138.0013.8000', '+8613800138000'],
    ['13800138000x', undefined],
    ['x13800138000', undefined],
    ['+447911123456x', undefined],
    ['x+447911123456', undefined],
    ['+1234567', '+1234567'],
    ['+123456', undefined],
    ['+8512345678', '+8512345678'],
  ])('number %j has key %j', (number, key) => {
    expect(mobileKey(number)).toBe(key);
  });

  it('have the key of their kind', () => {
    expect(identityKey('loginName', 'A.B@c.cn')).toBeUndefined();
    expect(identityKey('loginName', '13800138000')).toBe('13800138000');
    expect(identityKey('email', 'A.B@c.cn')).toBe('a.b@c.cn');
    expect(identityKey('mobileNo', '13800138000')).toBe('+8613800138000');
  });
});
