import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import nodemailer from 'nodemailer';
import { afterEach, describe, expect, it } from 'vitest';
import { SILENT } from '../log.ts';
import { type SmtpListener, type SmtpOptions, startSmtp } from './smtp.ts';

let listener: SmtpListener | undefined;
afterEach(() => listener?.stop());

async function start(options: Partial<SmtpOptions>): Promise<SmtpListener> {
  listener = await startSmtp({ host: '127.0.0.1', port: 0, log: SILENT, receive: async () => {}, ...options });
  return listener;
}

const MAIL = { from: 'a@example.com', to: 'b@example.com', subject: 's', text: 'hello' };

function send(port: number, over: object = {}): Promise<{ response: string }> {
  return nodemailer.createTransport({ host: '127.0.0.1', port, ...over }).sendMail({ ...MAIL, ...over });
}

/** Speaks SMTP by hand up to DATA, so that a mail can be broken off. */
async function openData(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'data');
  for (const command of ['EHLO me', 'MAIL FROM:<a@example.com>', 'RCPT TO:<b@example.com>', 'DATA']) {
    socket.write(`${command}\r\n`);
    await once(socket, 'data');
  }
  return socket;
}

describe('the SMTP side', () => {
  it('answers 250 only after the mail is stored', async () => {
    const stored = Promise.withResolvers<void>();
    const received = Promise.withResolvers<void>();
    const order: string[] = [];
    const { port } = await start({
      receive: async () => {
        received.resolve();
        await stored.promise;
      },
    });
    const sending = send(port).then((answer) => {
      order.push('answered');
      return answer;
    });
    await received.promise;
    // A second connection goes through all of SMTP meanwhile, so an early answer would have come.
    (await openData(port)).destroy();
    order.push('stored');
    stored.resolve();
    expect((await sending).response).toMatch(/^250 /);
    expect(order).toEqual(['stored', 'answered']);
  });

  it('answers 451 when the mail could not be stored, so that the sender keeps it', async () => {
    const { port } = await start({ receive: () => Promise.reject(new Error('database or disk is full')) });
    await expect(send(port)).rejects.toMatchObject({ responseCode: 451 });
  });

  it('answers 552 to a mail that is too large, announced or not', async () => {
    let received = 0;
    const { port } = await start({
      maxBytes: 2000,
      receive: async () => {
        received++;
      },
    });
    await expect(send(port, { text: 'x'.repeat(4000) })).rejects.toMatchObject({ responseCode: 552 });
    const socket = await openData(port);
    socket.write(`Subject: s\r\n\r\n${`${'x'.repeat(70)}\r\n`.repeat(100)}.\r\n`);
    const [answer] = await once(socket, 'data');
    expect(String(answer)).toMatch(/^552 /);
    socket.destroy();
    expect(received).toBe(0);
  });

  it('keeps nothing of a mail that breaks off in the middle', async () => {
    const subjects: string[] = [];
    const { port } = await start({
      receive: async (raw) => {
        subjects.push(/Subject: (.*)/.exec(raw.toString())?.[1] ?? '');
      },
    });
    const socket = await openData(port);
    socket.end('Subject: broken off\r\n\r\nhalf a mail\r\n');
    await once(socket, 'close');
    await send(port, { subject: 'whole' });
    expect(subjects).toEqual(['whole']);
  });

  it('takes any login, and none', async () => {
    const users: (string | undefined)[] = [];
    const { port } = await start({
      receive: async (_raw, { username }) => {
        users.push(username);
      },
    });
    await send(port, { auth: { user: 'opc', pass: 'any' } });
    await send(port);
    expect(users).toEqual(['opc', undefined]);
  });

  it('finishes the mail that it is receiving when it is stopped, and hangs up on the idle', async () => {
    const stored = Promise.withResolvers<void>();
    const received = Promise.withResolvers<void>();
    const { port, stop } = await start({
      receive: async () => {
        received.resolve();
        await stored.promise;
      },
    });
    const idle = connect(port, '127.0.0.1');
    await once(idle, 'data');
    const sending = send(port);
    await received.promise;
    const stopped = stop();
    listener = undefined;
    expect(String((await once(idle, 'data'))[0])).toMatch(/^421 /);
    stored.resolve();
    expect((await sending).response).toMatch(/^250 /);
    await stopped;
    await expect(send(port)).rejects.toMatchObject({ code: 'ESOCKET' });
  });
});
