import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';

/** How long a port may take to say something, milliseconds. */
const SPEAK_WITHIN_MS = 700;

/** gRPC: or another server of HTTP/2. */
export type Protocol = 'MySQL' | 'Redis' | 'SMTP' | 'HTTP' | 'gRPC' | 'TLS' | "RocketMQ's remoting protocol";

/** HTTP/2's greeting with an empty SETTINGS frame (RFC 9113, 3.4): what a gRPC server waits for. */
const HTTP2_PREFACE = Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0])]);
/** Frames with which an HTTP/2 server begins: SETTINGS, or GOAWAY when it does not understand. */
const HTTP2_FIRST_FRAMES = [4, 7];
/** Version of MySQL's handshake, after its packet's header of four bytes; or an error packet instead of it. */
const MYSQL_HANDSHAKE_VERSION = 10;
const MYSQL_ERROR = 0xff;

const SILENCE = Buffer.alloc(0);
const PING = Buffer.from('PING\r\n\r\n');
/** What makes a server speak: those that speak first do so at once; Redis and HTTP answer what they are asked, gRPC only its own greeting. */
const GREETINGS: Record<Exclude<Protocol, 'TLS'>, Buffer> = {
  "RocketMQ's remoting protocol": remotingFrame(),
  MySQL: SILENCE,
  SMTP: SILENCE,
  Redis: PING,
  HTTP: PING,
  gRPC: HTTP2_PREFACE,
};

/**
 * Finds out what listens at an address, to tell a port that was mixed up from a server that is away. The other side sees connections that say nothing
 * useful, so it is asked when something has failed. Takes three seconds at most.
 * @param expected is looked for first
 * @returns undefined when nothing listens, or nothing known
 */
export async function whatAnswers(host: string, port: number, expected: Protocol = 'MySQL'): Promise<Protocol | undefined> {
  if (expected === 'TLS' && (await speaksTls(host, port))) return 'TLS';
  const first = expected === 'TLS' ? GREETINGS.MySQL : GREETINGS[expected];
  for (const greeting of new Set([first, GREETINGS.MySQL, GREETINGS.Redis, GREETINGS.gRPC, GREETINGS["RocketMQ's remoting protocol"]])) {
    const answer = await firstWords(host, port, greeting);
    if (answer === 'refused') return undefined;
    const protocol = recognise(answer);
    if (protocol) return protocol;
  }
  return expected !== 'TLS' && (await speaksTls(host, port)) ? 'TLS' : undefined;
}

/** Exported for its test. */
export function recognise(answer: Buffer): Protocol | undefined {
  if (answer.length === 0) return undefined;
  const text = answer.toString('latin1');
  if (/^HTTP\/1\./.test(text)) return 'HTTP';
  if (text.includes('"opaque"')) return "RocketMQ's remoting protocol";
  if (/^220[ -]/.test(text)) return 'SMTP';
  if (/^(\+PONG|-[A-Z]+ )/.test(text)) return 'Redis';
  if (answer.length >= 9 && answer[0] === 0 && HTTP2_FIRST_FRAMES.includes(answer[3] as number)) return 'gRPC';
  if (answer[3] === 0 && (answer[4] === MYSQL_HANDSHAKE_VERSION || answer[4] === MYSQL_ERROR)) return 'MySQL';
  return undefined;
}

function firstWords(host: string, port: number, greeting: Buffer): Promise<Buffer | 'refused'> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    let connected = false;
    const finish = (answer: Buffer) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(connected ? answer : 'refused');
    };
    const timer = setTimeout(finish, SPEAK_WITHIN_MS, Buffer.alloc(0));
    socket.once('connect', () => {
      connected = true;
      if (greeting.length > 0) socket.write(greeting);
    });
    socket.once('data', finish);
    socket.once('error', () => finish(Buffer.alloc(0)));
    socket.once('close', () => finish(Buffer.alloc(0)));
  });
}

function speaksTls(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    // Nothing is sent over it, so it does not matter whose certificate it is.
    const socket = connectTls({ host, port, rejectUnauthorized: false });
    const finish = (speaks: boolean) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(speaks);
    };
    const timer = setTimeout(finish, SPEAK_WITHIN_MS, false);
    socket.once('secureConnect', () => finish(true));
    socket.once('error', () => finish(false));
    socket.once('close', () => finish(false));
  });
}

/** A request that no RocketMQ knows, to which its name servers and brokers answer that they do not know it: lengths, then the header as JSON. */
function remotingFrame(): Buffer {
  const header = Buffer.from(JSON.stringify({ code: 0, language: 'JAVA', version: 0, opaque: 1, flag: 0 }));
  const lengths = Buffer.alloc(8);
  lengths.writeUInt32BE(4 + header.length, 0);
  lengths.writeUInt32BE(header.length, 4);
  return Buffer.concat([lengths, header]);
}
