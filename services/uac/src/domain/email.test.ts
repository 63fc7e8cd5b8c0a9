import { describe, expect, it } from 'vitest';
import { emailAddress, emailKey, emailProblem, mailboxOf } from './email.ts';

/** 254 characters, the most that SMTP takes. */
const LONGEST = `a@${'b'.repeat(60)}.${'c'.repeat(60)}.${'d'.repeat(60)}.${'e'.repeat(60)}.fghij.nn`;

describe('addresses', () => {
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
    ['li@例子.中国', 'li@xn--fsqu00a.xn--fiqs8s'],
    ['li@例子。中国', 'li@xn--fsqu00a.xn--fiqs8s'],
    ['Anna@Bücher.example', 'anna@xn--bcher-kva.example'],
    ['anna@xn--bcher-kva.example', 'anna@xn--bcher-kva.example'],
    ['a@例子.中国/x', undefined],
    ['a@例子.中国:25', undefined],
    ['a@%65例子.中国', undefined],
    ['a＠例子.中国', undefined],
    [`a@${'例'.repeat(80)}.cn`, undefined],
    ['用户@例子.中国', undefined],
    ["!#$%&'*+/=?^_`{|}~-.!#$%&'*+/=?^_`{|}~-.0aZ@b.cn", "!#$%&'*+/=?^_`{|}~-.!#$%&'*+/=?^_`{|}~-.0az@b.cn"],
    ['a@b.c.de.cn', 'a@b.c.de.cn'],
    [`a@b${'-'.repeat(61)}c.cn`, `a@b${'-'.repeat(61)}c.cn`],
    [`a@b${'-'.repeat(62)}c.cn`, undefined],
    [`a@b.c${'-'.repeat(61)}d`, `a@b.c${'-'.repeat(61)}d`],
    [`a@b.c${'-'.repeat(62)}d`, undefined],
    ['a@b-.cn', undefined],
    ['a@b.c', undefined],
    ['a@b.1n', undefined],
    ['a@b.cn-', undefined],
    ['a@b.c.', undefined],
    ['a@b..cn', undefined],
    ['a.@c.cn', undefined],
    ['(a@c.cn', undefined],
    ['a,b@c.cn', undefined],
    ['@c.cn', undefined],
    [LONGEST, LONGEST],
    [`${LONGEST}n`, undefined],
    // An international name is counted in the form that is sent, and as it was typed.
    [`a@例.${['c', 'd', 'e', 'f'].map((letter) => letter.repeat(60)).join('.')}.cn`, undefined],
    [`a@${'\u00ad'.repeat(300)}例.cn`, undefined],
    ...['\u3000', '%', '/', '\\', ':', '?', '#', '[', ']'].map((other): [string, undefined] => [`a@例${other}子.cn`, undefined]),
  ])('%j has key %j', (address, key) => {
    expect(emailKey(address)).toBe(key);
  });

  it('keep their case where mail is sent', () => {
    expect(emailAddress(' Anna@Bücher.example')).toBe('Anna@xn--bcher-kva.example');
  });

  it.each([
    ['用户@例子.中国', 'UAC10011114'],
    ['jörg@example.com', 'UAC10011114'],
    ['jörg', 'UAC10011102'],
    ['jörg@', 'UAC10011102'],
    ['jö rg@example.com', 'UAC10011102'],
    ['jö@rg@example.com', 'UAC10011102'],
    [' jörg@example.com ', 'UAC10011114'],
    ['@例子.中国', 'UAC10011102'],
    ['jörg@nowhere', 'UAC10011102'],
    ['ann＠example.com', 'UAC10011102'],
    ['nobody', 'UAC10011102'],
  ])('%j is refused with %s', (address, code) => {
    expect(emailProblem(address)).toBe(code);
  });

  it('are not found in long hostile text within an instant', () => {
    expect(emailKey(`${'a.'.repeat(60_000)}@`)).toBeUndefined();
    expect(emailKey(`a@${'a-'.repeat(120)}`)).toBeUndefined();
  });
});

describe('the mailbox of an address', () => {
  it.each([
    ['ann@example.com', 'ann@example.com'],
    ['ann+news@example.com', 'ann@example.com'],
    ['ann+a+b@example.com', 'ann@example.com'],
    ['+ann@example.com', '+ann@example.com'],
    ['a.nn@example.com', 'a.nn@example.com'],
    ['a.n.n+x@gmail.com', 'ann@gmail.com'],
    ['ann@googlemail.com', 'ann@gmail.com'],
    ['a.nn@mail.gmail.com', 'a.nn@mail.gmail.com'],
    ['a+b@c+d.cn', 'a@c+d.cn'],
  ])('%s is %s', (key, mailbox) => {
    expect(mailboxOf(key)).toBe(mailbox);
  });
});
