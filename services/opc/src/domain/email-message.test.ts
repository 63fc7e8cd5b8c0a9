import { describe, expect, it } from 'vitest';
import { MAX_TEXT_BYTES, readEmailMessage } from './email-message.ts';

const good = { to: ['ann@example.com'], subject: 'Welcome', text: '<p>Hello</p>' };
const read = (content: unknown) => readEmailMessage(Buffer.from(typeof content === 'string' ? content : JSON.stringify(content)));

describe('readEmailMessage', () => {
  it('reads an e-mail with Chinese text', () => {
    const body = { to: ['ann@Example.com', '张三@例子.中国'], subject: '注册用户-等待激活用户', text: '<p>你好</p>', plain: '你好', later: true };
    expect(read(body)).toEqual({
      email: {
        recipients: ['ann@example.com', '张三@xn--fsqu00a.xn--fiqs8s'],
        subject: '注册用户-等待激活用户',
        html: '<p>你好</p>',
        plain: '你好',
      },
    });
  });

  it('takes each mailbox once, as it was first written', () => {
    const to = ['Ann@example.com', 'bob@example.com', 'ann@EXAMPLE.com', ' bob@example.com '];
    expect(read({ ...good, to })).toMatchObject({ email: { recipients: ['Ann@example.com', 'bob@example.com'] } });
  });

  it.each([
    ['not JSON', '{"to":', 'body'],
    ['nothing', '', 'body'],
    ['a list', [good], 'body'],
    ['null', 'null', 'body'],
    ['no recipients', { ...good, to: undefined }, 'to'],
    ['one address that is not in a list', { ...good, to: 'ann@example.com' }, 'to'],
    ['an empty list', { ...good, to: [] }, 'to'],
    ['101 recipients', { ...good, to: Array.from({ length: 101 }, (_, n) => `a${n}@example.com`) }, 'to'],
    ['a bad address among good ones', { ...good, to: ['ann@example.com', 'bob'] }, 'to[1]'],
    ['an address that is a number', { ...good, to: [7] }, 'to[0]'],
    ['no subject', { ...good, subject: undefined }, 'subject'],
    ['a blank subject', { ...good, subject: ' \t' }, 'subject'],
    ['a subject with CR LF', { ...good, subject: 'Hi\r\nBcc: eve@example.com' }, 'subject'],
    ['a subject with a bare LF', { ...good, subject: 'Hi\nBcc: eve@example.com' }, 'subject'],
    ['a subject with a line separator', { ...good, subject: 'Hi\u2028there' }, 'subject'],
    ['a subject with NUL', { ...good, subject: 'Hi\u0000' }, 'subject'],
    ['a subject of 999 characters', { ...good, subject: 'x'.repeat(999) }, 'subject'],
    ['no text', { ...good, text: undefined }, 'text'],
    ['an empty text', { ...good, text: '' }, 'text'],
    ['a text above 1 MiB', { ...good, text: '中'.repeat(Math.ceil(MAX_TEXT_BYTES / 3) + 1) }, 'text'],
    ['a plain text that is a number', { ...good, plain: 5 }, 'plain'],
  ])('names the field that is wrong in a body with %s', (_, content, field) => {
    expect(read(content)).toMatchObject({ bad: { field } });
  });

  it.each([
    ['{"to":', 'is not JSON in UTF-8'],
    [[good], 'is not a JSON object'],
    ['null', 'is not a JSON object'],
    ['"text"', 'is not a JSON object'],
    [{ ...good, to: 'ann@example.com' }, 'is not a list of addresses'],
    [{ ...good, to: [] }, 'has 0 addresses; allowed are 1 to 100'],
    [{ ...good, to: ['bob'] }, 'is not a mail address'],
    [{ ...good, subject: 7 }, 'is not a string'],
    [{ ...good, subject: ' ' }, 'is empty'],
    [{ ...good, subject: 'a\u009fb' }, 'holds a line break or another control character'],
    [{ ...good, subject: 'x'.repeat(999) }, 'has 999 characters; at most 998 are allowed'],
    [{ ...good, text: 7 }, 'is not a string'],
    [{ ...good, text: ' ' }, 'is empty'],
    [{ ...good, plain: '' }, 'is empty'],
    [{ ...good, text: 'x'.repeat(MAX_TEXT_BYTES + 1) }, 'has 1048577 bytes; at most 1048576 are allowed'],
  ])('says in words what is wrong', (content, problem) => {
    expect(read(content)).toMatchObject({ bad: { problem } });
  });

  it('takes a plain text of null for none, and tabs in a subject', () => {
    expect(read({ ...good, subject: 'a\tb', plain: null })).toEqual({
      email: { recipients: ['ann@example.com'], subject: 'a\tb', html: '<p>Hello</p>', plain: undefined },
    });
  });

  it('refuses bytes that are not UTF-8', () => {
    expect(readEmailMessage(Buffer.from([0x7b, 0xff, 0x7d]))).toMatchObject({ bad: { field: 'body' } });
    const latin1 = Buffer.from(JSON.stringify({ ...good, subject: 'Grüße' }), 'latin1');
    expect(readEmailMessage(latin1)).toMatchObject({ bad: { field: 'body', problem: 'is not JSON in UTF-8' } });
  });

  it('takes the largest allowed subject, text and number of recipients', () => {
    const to = Array.from({ length: 100 }, (_, n) => `a${n}@example.com`);
    expect(read({ to, subject: 'x'.repeat(998), text: 'x'.repeat(MAX_TEXT_BYTES) })).toHaveProperty('email');
  });

  it('says nothing of the content of a bad body', () => {
    const bodies = [`{"to":["secret@example.com"`, { ...good, to: ['secret at example.com'] }, { ...good, subject: 'secret\n' }];
    for (const body of bodies) expect(JSON.stringify(read(body))).not.toMatch(/secret/);
  });
});
