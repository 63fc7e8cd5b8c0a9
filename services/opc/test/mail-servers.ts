import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type MailCatcher, type Message, type MessagesSummary, startMailCatcher } from '@tpc/embedded';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';

/** The real mail catcher on free ports, its mails read over its REST. */
export type Catcher = {
  smtpPort: number;
  mails(): Promise<Message[]>;
  stop(): Promise<void>;
  /** Starts it again on the same port and file after `stop`. */
  restart(): Promise<void>;
  drop(): Promise<void>;
};

export async function startCatcher(): Promise<Catcher> {
  const dir = mkdtempSync(join(tmpdir(), 'opc-mail-'));
  const start = (smtpPort: number) => startMailCatcher({ file: join(dir, 'mail.db'), smtpPort, httpPort: 0 });
  let running: MailCatcher | undefined = await start(0);
  const { smtpPort } = running;
  const get = async <T>(path: string): Promise<T> => (await (await fetch(`http://127.0.0.1:${running?.httpPort}${path}`)).json()) as T;
  const stop = async () => {
    await running?.stop();
    running = undefined;
  };
  return {
    smtpPort,
    mails: async () => {
      const { messages } = await get<MessagesSummary>('/api/v1/messages?limit=0');
      return Promise.all(messages.map(({ ID }) => get<Message>(`/api/v1/message/${ID}`)));
    },
    stop,
    restart: async () => {
      running = await start(smtpPort);
    },
    drop: async () => {
      await stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

export type TestSmtpServer = {
  port: number;
  raws: string[];
  recipients: string[] /** Cuts every connection without a word. */;
  cut(): void;
  stop(): Promise<void>;
};

/** An SMTP server with behaviour of the test's own; what it takes is in `raws` and `recipients`. */
export async function startSmtpServer(behaviour: SMTPServerOptions = {}): Promise<TestSmtpServer> {
  const raws: string[] = [];
  const recipients: string[] = [];
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    disableReverseLookup: true,
    logger: false,
    closeTimeout: 100,
    onData(stream, session, done) {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        raws.push(Buffer.concat(chunks).toString('utf8'));
        recipients.push(...session.envelope.rcptTo.map(({ address }) => address));
        done();
      });
    },
    ...behaviour,
  });
  // A client that breaks off is what some tests are about.
  server.on('error', () => undefined);
  const sockets = new Set<Socket>();
  server.server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.server.address() as AddressInfo).port,
    raws,
    recipients,
    cut: () => {
      for (const socket of sockets) socket.destroy();
    },
    stop: () => new Promise((resolve) => server.close(resolve)),
  };
}

/** What `behaviour` of `startSmtpServer` answers for a refused command. */
export function smtpAnswer(responseCode: number, message: string): Error {
  return Object.assign(new Error(message), { responseCode });
}

/**
 * A server of a few lines that keeps what it hears as it came over the wire, byte by byte: smtp-server shows addresses decoded. Takes every mail.
 * @param extensions what it offers
 */
export async function startWireServer(
  ...extensions: string[]
): Promise<{ port: number; commands: string[]; bodies: string[]; stop(): Promise<void> }> {
  const commands: string[] = [];
  const bodies: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    let heard = '';
    let inData = false;
    const say = (line: string) => socket.write(`${line}\r\n`);
    const offer = ['wire', ...extensions].map((name, at, all) => `250${at === all.length - 1 ? ' ' : '-'}${name}`).join('\r\n');
    say('220 wire ESMTP');
    socket.on('data', (chunk: Buffer) => {
      heard += chunk.toString('latin1');
      for (let end = heard.indexOf(inData ? '\r\n.\r\n' : '\r\n'); end >= 0; end = heard.indexOf(inData ? '\r\n.\r\n' : '\r\n')) {
        const line = heard.slice(0, end);
        heard = heard.slice(end + (inData ? 5 : 2));
        if (inData) bodies.push(line);
        else commands.push(line);
        const wasData = inData;
        inData = !wasData && line === 'DATA';
        say(
          wasData
            ? '250 2.0.0 taken'
            : inData
              ? '354 go'
              : line.startsWith('EHLO')
                ? offer
                : line === 'STARTTLS'
                  ? '502 5.5.1 unknown command'
                  : '250 ok',
        );
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    commands,
    bodies,
    stop: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}

/** A server that takes connections and never says a word. */
export async function startSilentServer(): Promise<{ port: number; open: Set<Socket>; stop(): Promise<void> }> {
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    socket.on('error', () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    open,
    stop: () =>
      new Promise((resolve) => {
        for (const socket of open) socket.destroy();
        server.close(() => resolve());
      }),
  };
}
