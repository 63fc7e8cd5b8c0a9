import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createRocketMqPublisher } from './publisher.ts';

const message = (text: string) => ({ topic: 'T', tag: '', keys: [text], body: Buffer.from(text), properties: {} });

describe('publisher at a broker that takes connections and never answers', () => {
  let server: Server;
  const sockets = new Set<Socket>();
  let endpoints: string;
  beforeEach(async () => {
    server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    endpoints = `127.0.0.1:${(server.address() as { port: number }).port}`;
  });
  afterEach(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });

  it('has outcomes for all that wait after one deadline, not after one for each request', async () => {
    const publisher = createRocketMqPublisher({ endpoints, requestTimeoutMs: 1_000, maxBatchCount: 1, inFlightPerTopic: 1 });
    publisher.start();
    const outcomes = await publisher.publish(Array.from({ length: 500 }, (_, index) => message(`m${index}`)));
    expect(outcomes).toHaveLength(500);
    expect(new Set(outcomes.map((outcome) => outcome.ok || outcome.permanent))).toEqual(new Set([false]));
    expect(publisher.state()).toMatchObject({ connected: false, error: expect.stringContaining(endpoints) });
    await publisher.stop(100);
  });

  it('settles what is under way when it stops', async () => {
    const publisher = createRocketMqPublisher({ endpoints, requestTimeoutMs: 60_000 });
    publisher.start();
    const outcomes = publisher.publish([message('m')]);
    await publisher.stop(10);
    expect(await outcomes).toMatchObject([{ ok: false, permanent: false, reason: expect.stringContaining('stopped') }]);
  });
});
