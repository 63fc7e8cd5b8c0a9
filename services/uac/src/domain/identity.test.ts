import { describe, expect, it } from 'vitest';
import { emailKey, loginNameKey, mobileKey } from './identity.ts';

describe('identities', () => {
  it.each([
    ['Alice', 'alice'],
    ['a_b-c.9', 'a_b-c.9'],
    ['  Bob  ', 'bob'],
    ['x'.repeat(50), 'x'.repeat(50)],
    ['x'.repeat(51), undefined],
    ['ab', undefined],
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
    ['A.B+tag@Example.COM', 'a.b+tag@example.com'],
    [' a@b.cn ', 'a@b.cn'],
    ['a@b', undefined],
    ['a@@b.cn', undefined],
    ['a b@c.cn', undefined],
    ['a@b.cn\r\nBcc: x@y.cn', undefined],
    ['a..b@c.cn', undefined],
    ['.a@c.cn', undefined],
    ['a@-b.cn', undefined],
    ['"a"@b.cn', undefined],
    [`${'a'.repeat(64)}@b.cn`, `${'a'.repeat(64)}@b.cn`],
    [`${'a'.repeat(65)}@b.cn`, undefined],
    [`a@${'b'.repeat(60)}.${'c'.repeat(60)}.${'d'.repeat(60)}.${'e'.repeat(60)}.${'f'.repeat(20)}.cn`, undefined],
  ])('address %j has key %j', (address, key) => {
    expect(emailKey(address)).toBe(key);
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
  ])('number %j has key %j', (number, key) => {
    expect(mobileKey(number)).toBe(key);
  });

  it('finds no address in long hostile text within an instant', () => {
    expect(emailKey(`${'a.'.repeat(60_000)}@`)).toBeUndefined();
    expect(emailKey(`a@${'a-'.repeat(120)}`)).toBeUndefined();
  });
});
