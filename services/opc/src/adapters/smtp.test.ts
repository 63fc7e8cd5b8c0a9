// biome-ignore-all lint/style/noExcessiveLinesPerFile: its tests share the helpers at the beginning

import { createLog, type Log } from '@tpc/platform';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { until } from '../../../../test/support/until.ts';
import {
  type Catcher,
  smtpAnswer,
  startCatcher,
  startSilentServer,
  startSmtpServer,
  startWireServer,
  type TestSmtpServer,
} from '../../test/mail-servers.ts';
import { createSmtpMailer, type Mailer, MailFailure, type OutgoingMail, type SmtpOptions } from './smtp.ts';

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

const mail: OutgoingMail = {
  to: 'ann.lee@example.com',
  subject: '注册用户-等待激活用户',
  html: '<p>你好，<b>Ann</b> <a href="https://example.com/activate/1">激活</a></p>',
  text: '你好，Ann',
  messageId: '<abc123@tpc.example>',
};
const never = new AbortController().signal;

function mailer(port: number, options: Partial<SmtpOptions> = {}): Mailer {
  const made = createSmtpMailer({
    host: '127.0.0.1',
    port,
    secure: false,
    starttls: 'auto',
    user: undefined,
    password: undefined,
    from: { name: 'TPC 平台', address: 'no-reply@tpc.example' },
    connections: 2,
    timeoutMs: 10_000,
    hold: { firstWaitMs: 1, maxWaitMs: 1 },
    log: createLog({ service: 'opc', level: 'silent', format: 'json' }),
    ...options,
  });
  undo.push(() => made.close());
  return made;
}

async function catcher(): Promise<Catcher> {
  const started = await startCatcher();
  undo.push(() => started.drop());
  return started;
}

async function server(...behaviour: Parameters<typeof startSmtpServer>): Promise<TestSmtpServer> {
  const started = await startSmtpServer(...behaviour);
  undo.push(() => started.stop());
  return started;
}

async function failureOf(sending: Promise<unknown>): Promise<MailFailure> {
  const outcome = await sending.catch((error: unknown) => error);
  expect(outcome).toBeInstanceOf(MailFailure);
  return outcome as MailFailure;
}

describe('a mail', () => {
  it('arrives with Chinese subject, HTML and text as they were written', async () => {
    const caught = await catcher();
    const { reply } = await mailer(caught.smtpPort).send(mail, never);
    expect(reply).toMatch(/^250 /);
    const [got] = await caught.mails();
    expect(got).toMatchObject({
      MessageID: 'abc123@tpc.example',
      Subject: mail.subject,
      From: { Name: 'TPC 平台', Address: 'no-reply@tpc.example' },
      To: [{ Address: mail.to }],
      ReturnPath: 'no-reply@tpc.example',
    });
    expect(got?.HTML.trim()).toBe(mail.html);
    expect(got?.Text.trim()).toBe(mail.text);
    expect(Number.isNaN(Date.parse(got?.Date ?? ''))).toBe(false);
  });

  it('is sent to an address with letters beyond ASCII where the server takes them', async () => {
    const taking = await server();
    await mailer(taking.port).send({ ...mail, to: '张三@xn--fsqu00a.xn--fiqs8s' }, never);
    // The server shows the domain decoded.
    expect(taking.recipients).toEqual(['张三@例子.中国']);
  });

  it('cannot gain a header from its subject', async () => {
    const taking = await server();
    const subject = 'Hi\r\nBcc: eve@example.com\r\nX-Evil: 1\r\n\r\nbody';
    await mailer(taking.port).send({ ...mail, subject }, never);
    const [headers = ''] = taking.raws[0]?.split('\r\n\r\n') ?? [];
    expect(headers).toMatch(/^subject:/im);
    expect(headers).not.toMatch(/^(bcc|x-evil):/im);
    expect(taking.recipients).toEqual([mail.to]);
  });

  it.each(['ann@example.com\r\nRCPT TO:<eve@example.com>', 'ann@example.com, eve@example.com', 'ann@example.com <eve@example.com>'])(
    'cannot gain a recipient from its address %j',
    async (to) => {
      const taking = await server();
      expect((await failureOf(mailer(taking.port).send({ ...mail, to }, never))).verdict).toBe('recipient');
      expect(taking.recipients).toEqual([]);
    },
  );

  it('is sent after a log-in where one is configured', async () => {
    const asking = await server({
      authOptional: false,
      allowInsecureAuth: true,
      onAuth: ({ username, password }, _session, done) =>
        username === 'opc' && password === 'right' ? done(null, { user: 'opc' }) : done(smtpAnswer(535, 'no')),
    });
    await mailer(asking.port, { user: 'opc', password: 'right' }).send(mail, never);
    expect(asking.recipients).toEqual([mail.to]);
  });

  it('goes over one connection after another mail', async () => {
    let connections = 0;
    const taking = await server({
      onConnect: (_session, done) => {
        connections++;
        done();
      },
    });
    const send = mailer(taking.port, { connections: 1 }).send;
    await send(mail, never);
    await send(mail, never);
    expect([taking.raws.length, connections]).toEqual([2, 1]);
  });
});

describe('a mail that is not taken', () => {
  it.each([
    ['a recipient that is refused for good', 550, 'recipient'],
    ['a recipient that is to come later', 450, 'deferred'],
    ['a server that shuts down', 421, 'unavailable'],
  ])('is judged by the answer to RCPT TO: %s', async (_, code, verdict) => {
    const refusing = await server({ onRcptTo: (address, _session, done) => done(smtpAnswer(code, `<${address.address}> user ann.lee`)) });
    const failure = await failureOf(mailer(refusing.port).send(mail, never));
    expect(failure.verdict).toBe(verdict);
    expect(failure.message).toContain(String(code));
    expect(failure.message).not.toMatch(/ann\.lee|example\.com/);
    expect(failure.cause).toBeUndefined();
  });

  it.each([
    ['refuses it for good', 554, 'mail'],
    ['finds it too large', 552, 'mail'],
    ['cannot store it now', 451, 'deferred'],
  ])('is judged by the answer to DATA: the server %s', async (_, code, verdict) => {
    const refusing = await server({ onData: (stream, _session, done) => void stream.resume().on('end', () => done(smtpAnswer(code, 'no'))) });
    expect((await failureOf(mailer(refusing.port).send(mail, never))).verdict).toBe(verdict);
  });

  it.each([
    ['554 5.7.1', 'Relay access denied', 'ours'],
    ['552 5.2.2', 'mailbox full', 'deferred'],
    ['550 5.1.1', 'User unknown', 'recipient'],
  ])('is judged by the enhanced code: %s', async (codes, words, verdict) => {
    const [code, enhanced] = codes.split(' ');
    const refusing = await server({ onRcptTo: (_address, _session, done) => done(smtpAnswer(Number(code), `${enhanced} ${words}`)) });
    expect((await failureOf(mailer(refusing.port).send(mail, never))).verdict).toBe(verdict);
  });

  it('is not to blame while the server takes no mail from us at all', async () => {
    const refusing = await server({ onMailFrom: (_address, _session, done) => done(smtpAnswer(550, 'sender unknown')) });
    expect((await failureOf(mailer(refusing.port).send(mail, never))).verdict).toBe('ours');
  });

  it('waits while the log-in fails', async () => {
    const asking = await server({
      authOptional: false,
      allowInsecureAuth: true,
      onAuth: (_auth, _session, done) => done(smtpAnswer(535, 'wrong password')),
    });
    const failure = await failureOf(mailer(asking.port, { user: 'opc', password: 'secret-word' }).send(mail, never));
    expect(failure.verdict).toBe('ours');
    expect(failure.message).not.toContain('secret-word');
  });

  it('waits while nobody listens', async () => {
    const gone = await startSmtpServer();
    await gone.stop();
    expect((await failureOf(mailer(gone.port).send(mail, never))).verdict).toBe('unavailable');
  });

  it('waits when the server dies in the middle of DATA', async () => {
    const dying: TestSmtpServer = await server({ onData: (stream) => void stream.once('data', () => dying.cut()) });
    expect((await failureOf(mailer(dying.port).send(mail, never))).verdict).toBe('unavailable');
  });
});

describe('at the wire', () => {
  async function wire(...extensions: string[]) {
    const started = await startWireServer(...extensions);
    undo.push(() => started.stop());
    return started;
  }
  const isAscii = (text: string) => !/\P{ASCII}/u.test(text);

  it.each(['张三@xn--fsqu00a.xn--fiqs8s', 'müller@example.com'])('never sends the local part of %s to a server without SMTPUTF8', async (to) => {
    const old = await wire('8BITMIME');
    const failure = await failureOf(mailer(old.port).send({ ...mail, to }, never));
    expect(failure).toMatchObject({ verdict: 'recipient', message: expect.stringContaining('SMTPUTF8') });
    expect(old.commands.some((line) => /^(MAIL|RCPT|DATA)/.test(line))).toBe(false);
    expect(old.commands.every(isAscii)).toBe(true);
  });

  it('sends it where the server offers SMTPUTF8, and says so', async () => {
    const modern = await wire('8BITMIME', 'SMTPUTF8');
    await mailer(modern.port).send({ ...mail, to: 'müller@example.com' }, never);
    expect(modern.commands.find((line) => line.startsWith('MAIL'))).toContain('SMTPUTF8');
    expect(modern.commands.find((line) => line.startsWith('RCPT'))).toBe(Buffer.from('RCPT TO:<müller@example.com>').toString('latin1'));
  });

  it('writes international domains as punycode, in the envelope and in the header, to any server', async () => {
    const old = await wire();
    await mailer(old.port).send({ ...mail, to: 'info@xn--bcher-kva.example' }, never);
    expect(old.commands.find((line) => line.startsWith('RCPT'))).toBe('RCPT TO:<info@xn--bcher-kva.example>');
    const [headers = ''] = old.bodies[0]?.split('\r\n\r\n') ?? [];
    expect(isAscii(headers)).toBe(true);
    expect(headers).toMatch(/^To: <?info@xn--bcher-kva\.example>?$/im);
  });

  it.each([
    ['does not offer STARTTLS', []],
    ['offers STARTTLS and refuses it', ['STARTTLS', 'AUTH PLAIN LOGIN']],
    ['offers a log-in without STARTTLS', ['AUTH PLAIN LOGIN']],
  ])('with STARTTLS required gives no mail and no password to a server that %s', async (_, extensions) => {
    const plain = await wire(...extensions);
    const made = mailer(plain.port, { starttls: 'required', user: 'opc', password: 'secret-word' });
    const failure = await failureOf(made.send(mail, never));
    await made.check(never);
    expect(['ours', 'unavailable']).toContain(failure.verdict);
    expect(made.state().connected).toBe(false);
    expect(plain.commands.filter((line) => !/^(EHLO|STARTTLS|QUIT)/.test(line))).toEqual([]);
    expect(plain.commands).toContain('STARTTLS');
  });
});

describe('time', () => {
  it('is limited in all: a silent server costs no more, and its connection is closed', async () => {
    const silent = await startSilentServer();
    undo.push(() => silent.stop());
    const sending = mailer(silent.port, { timeoutMs: 300 }).send(mail, never);
    expect((await failureOf(sending)).verdict).toBe('unavailable');
    await until('the connection to be closed', () => silent.open.size === 0);
  });

  it('is limited in all: a server that drips its answers costs no more', async () => {
    const timers: NodeJS.Timeout[] = [];
    const dripping = await startSilentServer();
    undo.push(() => dripping.stop());
    undo.push(() => timers.forEach(clearInterval));
    const send = mailer(dripping.port, { timeoutMs: 500 }).send(mail, never);
    const socket = await until('a connection', () => [...dripping.open][0]);
    // The greeting is in time and the socket is never silent, so that only the limit for the whole can end it.
    socket.write('220 hello\r\n');
    timers.push(setInterval(() => socket.write('250-wait\r\n'), 20));
    expect((await failureOf(send)).message).toContain('500 ms');
    await until('the connection to be closed', () => dripping.open.size === 0);
  });

  it('ends at once when the caller gives up, and its connection is closed', async () => {
    const silent = await startSilentServer();
    undo.push(() => silent.stop());
    const giveUp = new AbortController();
    const made = mailer(silent.port);
    const sending = made.send(mail, giveUp.signal);
    await until('a connection', () => silent.open.size === 1);
    giveUp.abort();
    await failureOf(sending);
    await until('the connection to be closed', () => silent.open.size === 0);
    expect(made.state().connected).toBeUndefined();
  });
});

describe('the state of the link', () => {
  it('follows mails and checks, and a refused mail does not count against it', async () => {
    const caught = await catcher();
    const made = mailer(caught.smtpPort);
    expect(made.state().connected).toBeUndefined();
    await made.check(never);
    expect(made.state()).toMatchObject({ connected: true, error: '' });
    await caught.stop();
    await failureOf(made.send(mail, never));
    expect(made.state().connected).toBe(false);
    expect(made.state().error).not.toBe('');
    await made.check(never);
    expect(made.state().connected).toBe(false);
    await caught.restart();
    await made.send(mail, never);
    expect(made.state()).toMatchObject({ connected: true, error: '' });
  });

  it('is not waited for once a check is given up', async () => {
    const silent = await startSilentServer();
    undo.push(() => silent.stop());
    await mailer(silent.port).check(AbortSignal.abort());
  });

  it('is up while a server refuses single recipients', async () => {
    const refusing = await server({ onRcptTo: (_address, _session, done) => done(smtpAnswer(550, 'no')) });
    const made = mailer(refusing.port);
    await failureOf(made.send(mail, never));
    expect(made.state().connected).toBe(true);
  });
});

it('logs no address, subject or text', async () => {
  const lines: unknown[] = [];
  const keep = vi.fn((...args: unknown[]) => lines.push(args));
  const log = { debug: keep, info: keep, warn: keep, error: keep } as unknown as Log;
  const refusing = await server({ onRcptTo: (address, _session, done) => done(smtpAnswer(421, address.address)) });
  const made = mailer(refusing.port, { log });
  await failureOf(made.send(mail, never));
  expect(lines.length).toBeGreaterThan(0);
  expect(JSON.stringify(lines)).not.toMatch(/ann\.lee|example\.com|注册|你好/);
});
