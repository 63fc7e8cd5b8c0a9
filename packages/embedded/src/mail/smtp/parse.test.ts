import { describe, expect, it } from 'vitest';
import { parseMail } from './parse.ts';

const envelope = { mailFrom: 'bounce@example.com', rcptTo: ['a@example.com', 'hidden@example.com'] };
const parse = (lines: readonly string[], over = envelope) => parseMail(Buffer.from(lines.join('\r\n')), over);

describe('a received mail', () => {
  it('names the recipients that stand in no header as Bcc', async () => {
    const mail = await parse(['From: A <x@example.com>', 'To: Team: A@EXAMPLE.com, b@example.com;', '', 'hi']);
    expect(mail.people.To.map(({ Address }) => Address)).toEqual(['A@EXAMPLE.com', 'b@example.com']);
    expect(mail.people.Bcc).toEqual([{ Name: '', Address: 'hidden@example.com' }]);
  });

  it('takes the same address in punycode and in Unicode for one', async () => {
    const mail = await parse(['To: a@münchen.example', '', ''], { mailFrom: '', rcptTo: ['a@xn--mnchen-3ya.example'] });
    expect(mail.people.Bcc).toEqual([]);
  });

  it('has text also when it came as HTML alone', async () => {
    const mail = await parse(['Content-Type: text/html; charset=utf-8', '', '<p>Hello <b>you</b></p>']);
    expect(mail).toMatchObject({ text: 'Hello you', html: '<p>Hello <b>you</b></p>' });
  });

  it('is kept without From, Date and Message-ID', async () => {
    const mail = await parse(['Subject: bare', '', 'x']);
    expect(mail).toMatchObject({ messageId: '', subject: 'bare', people: { From: { Address: 'bounce@example.com' } } });
    expect(mail.date).toBeUndefined();
  });

  it('is kept with its source and the reason when it cannot be parsed', async () => {
    const parts = Array.from({ length: 1200 }, () => '--b\r\nContent-Type: text/plain\r\n\r\nx\r\n').join('');
    const mail = await parse(['Content-Type: multipart/mixed; boundary=b', '', `${parts}--b--`]);
    expect(mail.text).toMatch(/could not be parsed: /);
    expect(mail.raw.length).toBeGreaterThan(parts.length);
    expect(mail.people.Bcc).toHaveLength(2);
  });

  it('tells embedded images from attachments', async () => {
    const mail = await parse([
      'Content-Type: multipart/related; boundary=b',
      '',
      '--b\r\nContent-Type: text/html\r\n\r\n<img src="cid:logo">',
      '--b\r\nContent-Type: image/png\r\nContent-ID: <logo>\r\nContent-Transfer-Encoding: base64\r\n\r\naGk=',
      '--b\r\nContent-Type: text/plain\r\nContent-Disposition: attachment; filename="a.txt"\r\n\r\nattached',
      '--b--',
    ]);
    expect(mail.html).toContain('cid:logo');
    expect(mail.parts.map(({ inline, contentId, fileName }) => ({ inline, contentId, fileName }))).toEqual([
      { inline: true, contentId: 'logo', fileName: 'logo' },
      { inline: false, contentId: '', fileName: 'a.txt' },
    ]);
  });
});
