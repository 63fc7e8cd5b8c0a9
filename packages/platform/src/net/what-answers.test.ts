import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { freePort } from '../../../../test/support/free-port.ts';
import { whatAnswers } from './what-answers.ts';

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

async function serve(behave: (socket: Socket) => void): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    behave(socket);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as { port: number }).port;
}

/** Answers what begins so, and says nothing to anything else. */
const when = (question: string, answer: string | Buffer) => (socket: Socket) =>
  socket.on('data', (data) => (data.toString('latin1').includes(question) ? socket.write(answer) : undefined));

describe('what answers at a port', () => {
  it.each([
    ['MySQL', (socket: Socket) => socket.write(Buffer.from('4a0000000a352e352e3500', 'hex'))],
    ['MySQL', (socket: Socket) => socket.end(Buffer.from('45000000ff6904486f7374', 'hex'))],
    ['SMTP', (socket: Socket) => socket.write('220-mail ESMTP\r\n')],
    ['Redis', when('PING', '+PONG\r\n')],
    ['Redis', when('PING', '-NOAUTH Authentication required.\r\n')],
    ['HTTP', when('PING', 'HTTP/1.1 400 Bad Request\r\n\r\n')],
    ['gRPC', when('PRI * HTTP/2.0', Buffer.from('000006040000000000000300000064', 'hex'))],
    ["RocketMQ's remoting protocol", when('"opaque"', '....{"code":3,"opaque":1}')],
  ])('%s', async (protocol, behave) => {
    expect(await whatAnswers('127.0.0.1', await serve(behave))).toBe(protocol);
  });

  it('is nothing where nobody listens, and where somebody is silent', async () => {
    expect(await whatAnswers('127.0.0.1', await freePort())).toBeUndefined();
    expect(await whatAnswers('127.0.0.1', await serve(() => undefined))).toBeUndefined();
  });
});
