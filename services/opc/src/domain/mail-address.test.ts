import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { addressIdentity, needsSmtpUtf8, parseMailAddress, recipientHash } from './mail-address.ts';

/** 252 characters, so that the shortest address of it has 254. */
const LONGEST_DOMAIN = `${`${'b'.repeat(62)}.`.repeat(4)}`.slice(0, -1).concat('b');

describe('parseMailAddress', () => {
  it.each([
    ['ann@example.com', 'ann@example.com'],
    ['  Ann.Lee+news@Example.COM ', 'Ann.Lee+news@example.com'],
    ['root@localhost', 'root@localhost'],
    ['a@b.c', 'a@b.c'],
    ['ann@mail2.example.com', 'ann@mail2.example.com'],
    [`a@${LONGEST_DOMAIN}`, `a@${LONGEST_DOMAIN}`],
    ["o'neil_x@mail.example.co.uk", "o'neil_x@mail.example.co.uk"],
    ['张三@例子.中国', '张三@xn--fsqu00a.xn--fiqs8s'],
    [`${'a'.repeat(64)}@example.com`, `${'a'.repeat(64)}@example.com`],
  ])('takes %j as %j', (text, address) => {
    expect(parseMailAddress(text)).toBe(address);
  });

  it.each([
    '',
    'ann',
    '@example.com',
    'ann@',
    'ann@@example.com',
    'ann lee@example.com',
    'ann@exam ple.com',
    'Ann <ann@example.com>',
    'ann@example.com, bob@example.com',
    'ann@example.com\r\nBcc: bob@example.com',
    'ann\n@example.com',
    'ann\u0000@example.com',
    '"ann"@example.com',
    'ann@[127.0.0.1]',
    'ann@-example.com',
    'ann@example..com',
    'ann@ex_ample.com',
    'ann@%65xample.com',
    'ann@example．com',
    `aa@${LONGEST_DOMAIN}`,
    `${'a'.repeat(65)}@example.com`,
    `${'张'.repeat(22)}@example.com`,
    `ann@${'a'.repeat(64)}.com`,
    `ann@${'a.'.repeat(130)}com`,
    `${'a'.repeat(60)}@${`${'b'.repeat(60)}.`.repeat(3)}${'c'.repeat(20)}`,
  ])('refuses %j', (text) => {
    expect(parseMailAddress(text)).toBeUndefined();
  });
});

describe('recipientHash', () => {
  it('is the same for one mailbox and differs between mailboxes and messages', () => {
    const hash = recipientHash('k1', 'Ann@example.com');
    expect(hash).toMatch(/^[0-9a-f]{32}$/);
    // It stands in databases, so it never changes; nor can a key that ends as the address begins stand for another pair.
    expect(hash).toBe(createHash('sha256').update('k1\0ann@example.com').digest('hex').slice(0, 32));
    expect(recipientHash('k1', 'ann@example.com')).toBe(hash);
    expect(recipientHash('k1', 'bob@example.com')).not.toBe(hash);
    expect(recipientHash('k2', 'ann@example.com')).not.toBe(hash);
  });

  it('takes the case of the local part for no difference', () => {
    expect(addressIdentity('ANN@example.com')).toBe(addressIdentity('ann@example.com'));
  });
});

it.each([
  ['ann@example.com', false],
  ['ann@xn--fsqu00a.xn--fiqs8s', false],
  ['张三@xn--fsqu00a.xn--fiqs8s', true],
  ['jörg@example.com', true],
])('%s needs SMTPUTF8: %s', (address, needed) => {
  expect(needsSmtpUtf8(address)).toBe(needed);
});
