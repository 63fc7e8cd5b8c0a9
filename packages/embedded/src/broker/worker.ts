import { parentPort, workerData } from 'node:worker_threads';
import { logVerbosity, setLogVerbosity } from '@grpc/grpc-js';
import type { ResolvedOptions } from './options.ts';
import { runBroker } from './server.ts';

/** What the main thread and the broker's thread say to each other. */
export type ToWorker = { kind: 'stop' } | { kind: 'countDeadLetters'; id: number; group: string };
export type FromWorker =
  | { kind: 'ready'; port: number }
  | { kind: 'failed'; message: string }
  | { kind: 'deadLetters'; id: number; count: number }
  | { kind: 'stopped' };

const port = parentPort;
if (!port) throw new Error('this module is the body of a worker thread');
const say = (message: FromWorker): void => port.postMessage(message);

// gRPC would print its own line about a taken port beside ours.
setLogVerbosity(logVerbosity.NONE);

try {
  const broker = await runBroker(workerData as ResolvedOptions);
  port.on('message', async (message: ToWorker) => {
    if (message.kind === 'countDeadLetters') {
      say({ kind: 'deadLetters', id: message.id, count: await broker.countDeadLetters(message.group) });
      return;
    }
    await broker.stop();
    say({ kind: 'stopped' });
    port.close();
  });
  say({ kind: 'ready', port: broker.port });
} catch (error) {
  say({ kind: 'failed', message: error instanceof Error ? error.message : String(error) });
  port.close();
}
