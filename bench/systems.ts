import { createServer } from 'node:net';
import { type Running, stopAll } from '@tpc/platform';
import { assertServing } from '../scripts/lib/health.ts';
import { untilAnswers } from '../tools/stack/wait.ts';
import { type Child, startChild } from './child.ts';
import { MODES, type Mode } from './settings.ts';

/** Something that carries messages from a producer's transaction to a consumer's. */
export type System = {
  name: string;
  /** For people. */
  title: string;
  mode: Mode;
  producer: Child;
  consumer: Child;
  /** Whose processor time counts, by name. */
  processes: Readonly<Record<string, number>>;
  /** Programs whose statements are counted. */
  counted: Readonly<Record<string, Child>>;
};

/** What programs are started with. */
export type Starting = {
  env: Readonly<Record<string, string>>;
  databases: Readonly<Record<'tpc' | 'producer' | 'consumer' | 'peers', string>>;
  broker: string;
  /** Of the stack's servers, which work for every system. */
  shared: Readonly<Record<string, number>>;
  profileFolder: string | undefined;
  print: (line: string) => void;
  /** Started programs go here, so that whoever started them stops them. */
  started: Running[];
};

const READY_WITHIN_MS = 60_000;
const HOST = '127.0.0.1';

export function start(starting: Starting, name: string, file: string, env: Readonly<Record<string, string>>): Child {
  const child = startChild(name, file, { ...starting, env: { ...starting.env, BENCH_BROKER: starting.broker, ...env } });
  starting.started.push(child);
  return child;
}

export function program(name: string): string {
  return `${import.meta.dirname}/programs/${name}.ts`;
}

/** TPC, a producer, and a consumer for each way of handling; as their users run them: with their own programs and default settings. */
export async function startTpc(starting: Starting): Promise<System[]> {
  const port = await freePort();
  const address = `${HOST}:${port}`;
  const tpc = start(starting, 'tpc', `${import.meta.dirname}/../services/tpc/src/main.ts`, {
    TPC_DATABASE_URL: starting.databases.tpc,
    TPC_GRPC_PORT: String(port),
    BROKER_ENDPOINTS: starting.broker,
  });
  await untilAnswers(async () => {
    await assertServing(address);
    await assertServing(address, 'broker');
  }, READY_WITHIN_MS);
  const consumers: [Mode, Child][] = [];
  for (const mode of MODES) {
    const env = { BENCH_DATABASE_URL: starting.databases.consumer, BENCH_TPC: address, BENCH_MODE: mode };
    const consumer = start(starting, `consumer-${mode}`, program('consumer'), env);
    await consumer.ask('ready');
    consumers.push([mode, consumer]);
  }
  const producer = start(starting, 'producer', program('producer'), { BENCH_DATABASE_URL: starting.databases.producer, BENCH_TPC: address });
  await producer.ask('state');
  return consumers.map(([mode, consumer]) => ({
    name: `tpc-${mode}`,
    title: mode === 'batch' ? 'TPC, handler takes a batch' : 'TPC, one handler transaction a message',
    mode,
    producer,
    consumer,
    processes: { producer: producer.pid, tpc: tpc.pid, consumer: consumer.pid, ...starting.shared },
    counted: { producer, tpc, consumer },
  }));
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, HOST, resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Stops programs in the order in which messages run through them. */
export async function stopPrograms(started: readonly Running[]): Promise<void> {
  await stopAll([...started].reverse());
}
