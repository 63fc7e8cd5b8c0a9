import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Duplex } from 'node:stream';
import { Metadata } from '@grpc/grpc-js';
import definition from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/definition_pb.js';
import service from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/service_pb.js';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { EmbeddedBrokerOptions } from './options.ts';
import { TelemetryService } from './protocol/telemetry.ts';
import { attemptOf, handleOf, RawClient, textOf } from './raw-client.fixture.ts';
import { type EmbeddedBroker, startEmbeddedBroker } from './start.ts';

const SHORT_POLL_MS = 50;
/** Longer than a test may take: what arrives only at a poll's end is too late. */
const LONG_POLL_MS = 25_000;
vi.setConfig({ testTimeout: 15_000 });
const running: EmbeddedBroker[] = [];
const clients: RawClient[] = [];

function newFile(): string {
  return join(mkdtempSync(join(tmpdir(), 'tpc-broker-')), 'broker.db');
}

async function start(options: Partial<EmbeddedBrokerOptions> = {}): Promise<{ broker: EmbeddedBroker; client: RawClient }> {
  const broker = await startEmbeddedBroker({ file: newFile(), port: 0, ...options });
  running.push(broker);
  return { broker, client: clientFor(broker.port) };
}

function clientFor(port: number, names = { group: 'G', topic: 'T' }): RawClient {
  const client = new RawClient(port, names);
  clients.push(client);
  return client;
}

afterEach(async () => {
  for (const client of clients.splice(0)) client.stub.close();
  await Promise.all(running.splice(0).map((broker) => broker.stop()));
});

describe('embedded broker: start', () => {
  it('says which port is taken', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as { port: number };
    await expect(startEmbeddedBroker({ file: newFile(), port })).rejects.toThrow(
      `embedded broker: cannot listen on 127.0.0.1:${port}: the port is taken`,
    );
    other.close();
  });

  it('says which file it cannot write', async () => {
    const file = join(newFile(), 'not', 'a', 'folder.db');
    const blocked = join(tmpdir(), '\0');
    await expect(startEmbeddedBroker({ file: `/proc/version/${file}`, port: 0 })).rejects.toThrow(
      `the embedded broker cannot use its file /proc/version/`,
    );
    await expect(startEmbeddedBroker({ file: blocked, port: 0 })).rejects.toThrow(blocked);
  });

  it('does not share its file with a second broker', async () => {
    const file = newFile();
    await start({ file });
    await expect(startEmbeddedBroker({ file, port: 0 })).rejects.toThrow(`${file}: another process has it open`);
  });
});

describe('embedded broker: groups', () => {
  it('gives a new group what is published after its first poll, as RocketMQ does', async () => {
    const { client } = await start();
    await client.send(client.message('before'));
    expect(await client.receive(SHORT_POLL_MS)).toEqual([]);
    await client.send(client.message('after'));
    expect((await client.receive(LONG_POLL_MS)).map(textOf)).toEqual(['after']);
  });

  it('gives a new group everything that is kept, when told so', async () => {
    const { client } = await start({ newGroupStartsAt: 'earliest' });
    await client.send(client.message('before'));
    expect((await client.receive(LONG_POLL_MS)).map(textOf)).toEqual(['before']);
  });

  it('wakes a poll that waits when a message comes', async () => {
    const { client } = await start();
    const poll = client.receiveCall(LONG_POLL_MS);
    poll.on('error', () => undefined);
    await once(poll, 'metadata');
    const status = once(poll, 'data');
    await client.send(client.message('awaited'));
    expect((await status)[0].getStatus().getCode()).toBe(20000);
    const [part] = await once(poll, 'data');
    expect(textOf(part.getMessage())).toBe('awaited');
  });

  it('does not hand a message to a consumer that hung up', async () => {
    const { client } = await start();
    const poll = client.receiveCall(LONG_POLL_MS);
    const reached = once(poll, 'metadata');
    poll.on('error', () => undefined);
    await reached;
    poll.cancel();
    await client.send(client.message('for the next'));
    const [next] = await client.receive(LONG_POLL_MS);
    expect(textOf(next)).toBe('for the next');
    expect(attemptOf(next)).toBe(1);
  });
});

describe('embedded broker: acknowledgement', () => {
  async function delivered(texts: string[], invisibleMs = 30_000) {
    const parts = await start({ newGroupStartsAt: 'earliest' });
    await parts.client.send(...texts.map((text) => parts.client.message(text)));
    return { ...parts, messages: await parts.client.receive(LONG_POLL_MS, invisibleMs) };
  }

  it('settles all entries of one request, and a second time is fine', async () => {
    const { client, messages } = await delivered(['a', 'b']);
    const handles = messages.map(handleOf);
    expect(await client.acknowledge(...handles)).toEqual({ code: 20000, entries: [20000, 20000] });
    expect(await client.acknowledge(...handles)).toEqual({ code: 20000, entries: [20000, 20000] });
  });

  it('refuses the handle of an earlier delivery, and the message stays with the later one', async () => {
    const { client, messages } = await delivered(['slow', 'quick'], 1_000);
    const [again] = await client.receive(LONG_POLL_MS, 30_000);
    expect(attemptOf(again)).toBe(2);
    expect(await client.acknowledge(...messages.map(handleOf))).toEqual({ code: 40013, entries: [40013, 40013] });
    expect(await client.acknowledge(handleOf(again), handleOf(messages[1]))).toEqual({ code: 30000, entries: [20000, 40013] });
  });

  it('refuses a whole request for one handle that it cannot read, as RocketMQ does', async () => {
    const { client, messages } = await delivered(['a']);
    expect(await client.acknowledge(handleOf(messages[0]), 'nonsense')).toEqual({ code: 50001, entries: [] });
    expect(await client.acknowledge(handleOf(messages[0]))).toEqual({ code: 20000, entries: [20000] });
  });

  it('moves the time at which a message comes again, and only the new handle settles it', async () => {
    const { client, messages } = await delivered(['a']);
    const old = handleOf(messages[0]);
    const later = await client.changeInvisible(old, 30_000);
    expect(later.code).toBe(20000);
    expect((await client.acknowledge(old)).code).toBe(40013);
    expect((await client.changeInvisible(later.handle, 1)).code).toBe(20000);
    const [again] = await client.receive(LONG_POLL_MS);
    expect(attemptOf(again)).toBe(2);
    expect((await client.changeInvisible(later.handle, 1)).code).toBe(40013);
    expect((await client.acknowledge(handleOf(again))).code).toBe(20000);
  });
});

describe('embedded broker: clients of other libraries', () => {
  it("keeps a push consumer's delivery while its telemetry stream lives, and gives it to others after that", async () => {
    const { client } = await start({ newGroupStartsAt: 'earliest' });
    await client.send(client.message('held'));
    const stream = client.telemetry('push-1');
    await once(stream, 'data');
    const [held] = await client.receiveRenewed('push-1');
    expect(attemptOf(held)).toBe(1);
    stream.cancel();
    const [again] = await client.receive(LONG_POLL_MS);
    expect(attemptOf(again)).toBe(2);
    expect((await client.acknowledge(handleOf(held))).entries).toEqual([40013]);
  });

  it('answers on a stream whose deadline is farther away than a timer can wait, as that of the Java client', async () => {
    const { client } = await start();
    const stream = client.telemetry('java', { deadline: Date.now() + 30 * 24 * 3_600_000 });
    const ended = once(stream, 'status').then(([status]) => `ended with ${status.code}`);
    const settings = once(stream, 'data').then(([command]) => command.getStatus().getCode());
    expect(await Promise.race([settings, ended])).toBe(20000);
    expect(await Promise.race([ended, client.send(client.message('still open'))])).toBe(20000);
    stream.cancel();
  });
});

describe('embedded broker: telemetry', () => {
  it('makes one answer at a time for a client that does not read', async () => {
    const waiting: (() => void)[] = [];
    const stream = new Duplex({ objectMode: true, read: () => undefined, write: (_answer, _, left) => void waiting.push(left) });
    const telemetry = new TelemetryService(16, { streamOpened: () => undefined, streamEnded: () => undefined });
    telemetry.handle(Object.assign(stream, { metadata: new Metadata() }) as unknown as Parameters<typeof telemetry.handle>[0]);
    for (let n = 0; n < 12; n++) stream.push(new service.TelemetryCommand().setSettings(new definition.Settings()));
    await new Promise(setImmediate);
    expect([waiting.length, stream.writableLength]).toEqual([1, 1]);
    waiting[0]?.();
    await expect.poll(() => waiting.length).toBe(2);
    telemetry.close();
  });
});

describe('embedded broker: dead letters', () => {
  it('keeps a message as the dead letter of its group after its last delivery', async () => {
    const { broker, client } = await start({ newGroupStartsAt: 'earliest', maxDeliveryAttempts: 2 });
    await client.send(client.message('poison'));
    for (const attempt of [1, 2]) {
      const [message] = await client.receive(LONG_POLL_MS, 1_000);
      expect(attemptOf(message)).toBe(attempt);
      await client.changeInvisible(handleOf(message), 1);
    }
    expect(await client.receive(SHORT_POLL_MS)).toEqual([]);
    expect(await broker.deadLetters('G')).toBe(1);
    expect(await broker.deadLetters('other')).toBe(0);
  });

  it('takes a dead letter from a consumer, and gives it to who reads the dead letters', async () => {
    const { broker, client } = await start({ newGroupStartsAt: 'earliest' });
    await client.send(client.message('poison'));
    const [message] = await client.receive(LONG_POLL_MS);
    expect(await client.forwardToDeadLetters(handleOf(message))).toBe(20000);
    expect(await broker.deadLetters('G')).toBe(1);
    const [letter] = await clientFor(broker.port, { group: 'READER', topic: '%DLQ%G' }).receive(LONG_POLL_MS);
    expect(textOf(letter)).toBe('poison');
    expect(letter?.getSystemProperties()?.getDeadLetterQueue()?.getTopic()).toBe('T');
  });
});

describe('embedded broker: refusals', () => {
  it.each([
    ['a message in order', 2],
    ['a delayed message', 3],
    ['a transactional message', 4],
  ] as const)('refuses %s, which it could not treat as such', async (_what, type) => {
    const { client } = await start();
    expect(await client.send(client.message('special', type))).toBe(40014);
  });

  it('stores nothing of a request of which one message is bad', async () => {
    const { client } = await start({ newGroupStartsAt: 'earliest' });
    expect(await client.send(client.message('good'), client.message(''))).toBe(41302);
    expect(await client.receive(SHORT_POLL_MS)).toEqual([]);
  });
});

describe('embedded broker: killed with -9', () => {
  /** A broker in a process of its own. */
  async function spawnBroker(file: string) {
    const module = new URL('./start.ts', import.meta.url).href;
    const code = `const { startEmbeddedBroker } = await import(${JSON.stringify(module)});
      console.log((await startEmbeddedBroker({ file: ${JSON.stringify(file)}, port: 0, newGroupStartsAt: 'earliest' })).port);`;
    const child = spawn(process.execPath, ['--conditions=tpc-source', '--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
    return { child, port: Number(line) };
  }

  it('has everything that it acknowledged: messages, deliveries, attempts', async () => {
    const file = newFile();
    const first = await spawnBroker(file);
    const client = clientFor(first.port);
    await client.send(...Array.from({ length: 40 }, (_, index) => client.message(`m${index}`)));
    const received = await client.receive(LONG_POLL_MS, 30_000);
    expect(received.length).toBe(32);
    expect((await client.acknowledge(...received.slice(0, 30).map(handleOf))).code).toBe(20000);
    expect((await client.changeInvisible(handleOf(received[30]), 1)).code).toBe(20000);
    first.child.kill('SIGKILL');
    await once(first.child, 'exit');
    const { client: after } = await start({ file });
    const rest = await after.receive(LONG_POLL_MS);
    expect(rest.map((each) => [textOf(each), attemptOf(each)])).toEqual([
      ['m30', 2],
      ...Array.from({ length: 8 }, (_, index) => [`m${32 + index}`, 1]),
    ]);
    expect((await after.acknowledge(handleOf(received[31]))).entries).toEqual([20000]);
  });
});
