import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';

/** How long a port may take to say something, milliseconds. */
const SPEAK_WITHIN_MS = 700;

export type Protocol = 'MySQL' | 'Redis' | 'SMTP' | 'HTTP' | 'gRPC' | 'TLS';

/** HTTP/2's greeting with an empty SETTINGS frame (RFC 9113, 3.4): what a gRPC server waits for. */
const HTTP2_PREFACE = Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0])]);
/** Frames with which an HTTP/2 server begins: SETTINGS, or GOAWAY when it does not understand. */
const HTTP2_FIRST_FRAMES = [4, 7];
/** Version of MySQL's handshake, after its packet's header of four bytes; or an error packet instead of it. */
const MYSQL_HANDSHAKE_VERSION = 10;
const MYSQL_ERROR = 0xff;

/**
 * Finds out what listens at an address, to tell a port that was mixed up from a server that is away. Meant for the moment after a failure: the other side
 * sees connections that say nothing useful. Takes three seconds at most.
 * @returns undefined when nothing listens, or nothing known
 */
export async function whatAnswers(host: string, port: number): Promise<Protocol | undefined> {
  // Servers that speak first do so at once; Redis and HTTP answer what they are asked, gRPC only its own greeting.
  for (const greeting of [Buffer.alloc(0), Buffer.from('PING\r\n\r\n'), HTTP2_PREFACE]) {
    const answer = await firstWords(host, port, greeting);
    if (answer === 'refused') return undefined;
    const protocol = recognise(answer);
    if (protocol) return protocol;
  }
  return (await speaksTls(host, port)) ? 'TLS' : undefined;
}

/** Exported for its test. */
export function recognise(answer: Buffer): Protocol | undefined {
  if (answer.length === 0) return undefined;
  const text = answer.toString('latin1');
  if (/^HTTP\/1\./.test(text)) return 'HTTP';
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
