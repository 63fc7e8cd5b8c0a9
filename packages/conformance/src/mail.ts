/**
 * What OPC's mail needs from an SMTP server, and what people and tests need from its Mailpit-compatible inbox. Runs on the embedded mail
 * catcher; a Mailpit with a database file must pass it too.
 */
import nodemailer, { type SendMailOptions } from 'nodemailer';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

/** A running server. `restart` stops it, and starts it again on the same state; ports may differ then. */
export type MailServerUnderTest = {
  /** Default 127.0.0.1. */
  host?: string;
  smtpPort: number;
  httpPort: number;
  restart(): Promise<MailServerUnderTest>;
  stop(): Promise<void>;
};

type Address = { Name: string; Address: string };
type Summary = { ID: string; MessageID: string; From: Address; To: Address[]; Bcc: Address[]; Subject: string; Read: boolean };
type Page = { total: number; unread: number; count: number; messages_count: number; start: number; messages: Summary[] };
type Mail = Summary & { Cc: Address[]; Text: string; HTML: string; Date: string; Size: number; Attachments: unknown[]; Inline: unknown[] };

const LINK = 'http://127.0.0.1:3000/auth/activeUser/5f0c?a=1&b=2';
const LETTER = {
  from: { name: '操作中心', address: 'opc@example.com' },
  to: 'li.wei@example.com',
  subject: '注册用户-等待激活用户',
  text: `请激活 ${LINK}`,
  html: `<p>请<a href="${LINK.replace('&', '&amp;')}">激活</a></p>`,
  messageId: '<018f3a2e-1.1.li.wei@tpc>',
};

/** @param make starts an empty server of its own for each test. */
export function exerciseSmtp(name: string, make: () => Promise<MailServerUnderTest>): void {
  describe(`${name}: mail by SMTP and Mailpit's REST`, () => {
    let server: MailServerUnderTest;
    beforeEach(async () => {
      server = await make();
    });
    afterEach(() => server.stop());

    exerciseDelivery(() => server);
    exerciseKeeping(
      () => server,
      (restarted) => {
        server = restarted;
      },
    );
    exerciseRest(() => server);
  });
}

function exerciseDelivery(server: () => MailServerUnderTest): void {
  it('shows a mail with its sender, Chinese subject, text, HTML, link and Message-ID', async () => {
    const answer = await send(server(), LETTER);
    expect(answer.response).toMatch(/^250 /);
    const mail = await onlyMail(server());
    expect(mail).toMatchObject({ Subject: LETTER.subject, MessageID: '018f3a2e-1.1.li.wei@tpc', Attachments: [], Inline: [] });
    expect(mail.From).toEqual({ Name: LETTER.from.name, Address: LETTER.from.address });
    expect(mail.To).toEqual([{ Name: '', Address: LETTER.to }]);
    expect(normalised(mail.Text)).toBe(LETTER.text);
    expect(normalised(mail.HTML)).toBe(LETTER.html);
  });

  it('shows every recipient, also one that only the envelope names', async () => {
    await send(server(), { ...LETTER, to: ['a@example.com', 'B <b@example.com>'], cc: 'c@example.com', bcc: 'hidden@example.com' });
    const mail = await onlyMail(server());
    expect(mail.To.map(({ Address }) => Address)).toEqual(['a@example.com', 'b@example.com']);
    expect(mail.Cc.map(({ Address }) => Address)).toEqual(['c@example.com']);
    expect(mail.Bcc.map(({ Address }) => Address)).toEqual(['hidden@example.com']);
    expect(await rawOf(server(), mail.ID)).not.toContain('hidden@example.com');
  });

  it('shows the same Message-ID twice when it comes twice', async () => {
    await send(server(), LETTER);
    await send(server(), LETTER);
    const { total, messages } = await list(server());
    expect(total).toBe(2);
    expect(new Set(messages.map(({ ID }) => ID)).size).toBe(2);
    expect(new Set(messages.map(({ MessageID }) => MessageID)).size).toBe(1);
  });

  it('keeps a body of 1,000 lines whole', async () => {
    const text = Array.from({ length: 1000 }, (_, line) => `第 ${line + 1} 行 of a long mail`).join('\n');
    await send(server(), { ...LETTER, text, html: undefined });
    expect(normalised((await onlyMail(server())).Text)).toBe(text);
  });

  it('keeps lines that begin with a dot', async () => {
    const text = 'first\n.\n..two dots\n.hidden\nlast';
    await send(server(), { ...LETTER, text, html: undefined, textEncoding: 'quoted-printable' });
    expect(normalised((await onlyMail(server())).Text)).toBe(text);
  });

  it('takes many mails at once over several connections', async () => {
    const transport = transportOf(server(), { maxConnections: 4 });
    try {
      await Promise.all(Array.from({ length: 40 }, (_, n) => transport.sendMail({ ...LETTER, messageId: `<m${n}@tpc>` })));
    } finally {
      transport.close();
    }
    const ids = (await list(server(), 100)).messages.map(({ MessageID }) => MessageID);
    expect(ids.toSorted()).toEqual(Array.from({ length: 40 }, (_, n) => `m${n}@tpc`).toSorted());
  });
}

function exerciseKeeping(server: () => MailServerUnderTest, replace: (restarted: MailServerUnderTest) => void): void {
  it('still has a mail that it accepted after a restart', async () => {
    await send(server(), LETTER);
    const before = await onlyMail(server());
    replace(await server().restart());
    expect(await onlyMail(server())).toEqual(before);
  });

  it('forgets the mails that are deleted, also after a restart', async () => {
    await send(server(), LETTER);
    const response = await fetch(urlOf(server(), '/api/v1/messages'), { method: 'DELETE' });
    expect(response.status).toBe(200);
    replace(await server().restart());
    expect(await list(server())).toMatchObject({ total: 0, messages: [] });
  });
}

function exerciseRest(server: () => MailServerUnderTest): void {
  it('lists newest first, by pages', async () => {
    for (const n of [1, 2, 3]) await send(server(), { ...LETTER, messageId: `<m${n}@tpc>` });
    const first = await list(server(), 2);
    expect(first).toMatchObject({ total: 3, unread: 3, messages_count: 3, count: 2, start: 0 });
    expect(first.messages.map(({ MessageID }) => MessageID)).toEqual(['m3@tpc', 'm2@tpc']);
    expect((await list(server(), 2, 2)).messages.map(({ MessageID }) => MessageID)).toEqual(['m1@tpc']);
  });

  it('marks a mail as read when it is opened', async () => {
    await send(server(), LETTER);
    expect(await list(server())).toMatchObject({ unread: 1, messages: [{ Read: false }] });
    await onlyMail(server());
    expect(await list(server())).toMatchObject({ unread: 0, messages: [{ Read: true }] });
  });

  it('finds mails by recipient, sender, subject, Message-ID and words', async () => {
    await send(server(), LETTER);
    await send(server(), {
      ...LETTER,
      to: 'other@example.com',
      subject: 'Welcome aboard',
      text: 'plain pepper',
      html: undefined,
      messageId: '<x@tpc>',
    });
    const found = async (query: string) => {
      const page = await readJson<Page>(server(), `/api/v1/search?query=${encodeURIComponent(query)}`);
      return page.messages.map(({ MessageID }) => MessageID);
    };
    for (const query of ['to:other@example.com', 'subject:"welcome aboard"', 'message-id:x@tpc', 'pepper', 'from:opc@example.com pepper']) {
      expect({ query, found: await found(query) }).toEqual({ query, found: ['x@tpc'] });
    }
    expect(await found('subject:等待激活')).toEqual([LETTER.messageId.slice(1, -1)]);
    expect(await found('from:opc@example.com')).toHaveLength(2);
    expect(await found('to:nobody@example.com')).toEqual([]);
  });

  it('gives the headers and the source as they came', async () => {
    await send(server(), LETTER);
    const { ID } = await onlyMail(server());
    const headers = await readJson<Record<string, string[]>>(server(), `/api/v1/message/${ID}/headers`);
    expect(headers['Message-Id']).toEqual([LETTER.messageId]);
    expect(headers.To).toEqual([LETTER.to]);
    expect(await rawOf(server(), ID)).toContain(`Message-ID: ${LETTER.messageId}`);
  });

  it('answers 404 for an unknown mail', async () => {
    for (const path of ['', '/headers', '/raw']) {
      expect((await fetch(urlOf(server(), `/api/v1/message/unknown${path}`))).status).toBe(404);
    }
  });
}

function transportOf({ host = '127.0.0.1', smtpPort }: MailServerUnderTest, options: { maxConnections?: number } = {}) {
  return nodemailer.createTransport({ host, port: smtpPort, secure: false, pool: true, ...options });
}

async function send(server: MailServerUnderTest, mail: SendMailOptions): Promise<{ response: string }> {
  const transport = transportOf(server);
  try {
    return await transport.sendMail(mail);
  } finally {
    transport.close();
  }
}

function urlOf({ host = '127.0.0.1', httpPort }: MailServerUnderTest, path: string): string {
  return `http://${host}:${httpPort}${path}`;
}

async function readJson<T>(server: MailServerUnderTest, path: string): Promise<T> {
  const response = await fetch(urlOf(server, path));
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toMatch(/^application\/json/);
  return (await response.json()) as T;
}

function list(server: MailServerUnderTest, limit = 50, start = 0): Promise<Page> {
  return readJson<Page>(server, `/api/v1/messages?start=${start}&limit=${limit}`);
}

async function onlyMail(server: MailServerUnderTest): Promise<Mail> {
  const { messages } = await list(server);
  expect(messages).toHaveLength(1);
  return readJson<Mail>(server, `/api/v1/message/${messages[0]?.ID}`);
}

async function rawOf(server: MailServerUnderTest, id: string): Promise<string> {
  return (await fetch(urlOf(server, `/api/v1/message/${id}/raw`))).text();
}

/** Servers differ in line ends and in the empty line at the end. */
function normalised(text: string): string {
  return text.replace(/\r\n/g, '\n').trimEnd();
}
