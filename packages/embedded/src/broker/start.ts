import { Worker } from 'node:worker_threads';
import { withDeadline } from '@tpc/core';
import { type EmbeddedBrokerOptions, resolveOptions } from './options.ts';
import type { FromWorker, ToWorker } from './worker.ts';

/** The worker runs from source beside this file's source, or from the build beside its build. */
const WORKER = new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url);
/** How long the thread may take to close its file before it is ended, milliseconds. What it has answered is durable by then. */
const STOP_MS = 5_000;

export type EmbeddedBroker = {
  port: number;
  /** How many messages the group could not consume are kept. */
  deadLetters(group: string): Promise<number>;
  /** Ends polls, lets calls under way finish, closes the file. */
  stop(): Promise<void>;
};

/**
 * Starts a durable broker that speaks RocketMQ 5's gRPC protocol, in a thread of its own. Topics and groups are made at their first use.
 * @throws Error with one line that names the file or the address that it cannot have
 */
export async function startEmbeddedBroker(options: EmbeddedBrokerOptions): Promise<EmbeddedBroker> {
  // Of the process's own flags only those by which modules are found: a telemetry preload or an --eval has no place in the broker's thread.
  const execArgv = process.execArgv.filter((flag) => flag.startsWith('--conditions='));
  const worker = new Worker(WORKER, { workerData: resolveOptions(options), execArgv });
  const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
  const port = await started(worker);
  const answers = new Map<number, (count: number) => void>();
  let lastId = 0;
  worker.on('message', (message: FromWorker) => {
    if (message.kind !== 'deadLetters') return;
    answers.get(message.id)?.(message.count);
    answers.delete(message.id);
  });
  const say = (message: ToWorker): void => worker.postMessage(message);
  let stopping: Promise<void> | undefined;
  return {
    port,
    deadLetters: (group) =>
      new Promise((resolve) => {
        lastId += 1;
        answers.set(lastId, resolve);
        say({ kind: 'countDeadLetters', id: lastId, group });
      }),
    stop: () => {
      stopping ??= stop(worker, exited, () => say({ kind: 'stop' }));
      return stopping;
    },
  };
}

function started(worker: Worker): Promise<number> {
  return new Promise((resolve, reject) => {
    const onError = (error: Error): void => reject(error);
    worker.once('error', onError);
    worker.once('message', (message: FromWorker) => {
      worker.off('error', onError);
      if (message.kind === 'ready') resolve(message.port);
      else reject(new Error(message.kind === 'failed' ? message.message : 'the embedded broker did not start'));
    });
  });
}

async function stop(worker: Worker, exited: Promise<void>, ask: () => void): Promise<void> {
  ask();
  await withDeadline(exited, STOP_MS, () => worker.terminate());
}
