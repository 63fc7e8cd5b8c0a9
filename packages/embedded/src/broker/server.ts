import { Server, ServerCredentials } from '@grpc/grpc-js';
import { cannotListen, withDeadline } from '@tpc/core';
import serviceGrpc from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/service_grpc_pb.js';
import type { ResolvedOptions } from './options.ts';
import { allowLongDeadlines } from './protocol/long-deadlines.ts';
import { messagingService } from './protocol/messaging.ts';
import { ReceiveService } from './protocol/receive.ts';
import { TelemetryService } from './protocol/telemetry.ts';
import { toDeadLetter } from './protocol/wire.ts';
import { CleanUp } from './store/clean-up.ts';
import { CommitQueue } from './store/commit-queue.ts';
import { openDatabase } from './store/schema.ts';
import { BrokerStore } from './store/store.ts';

/** Largest request, as RocketMQ 5's proxy takes them with its default settings, bytes. */
const MAX_REQUEST_BYTES = 130 * 1024 * 1024;
/** How long calls under way may take to end at a stop, milliseconds. */
const SHUTDOWN_MS = 1_000;

export type RunningBroker = { port: number; countDeadLetters(group: string): Promise<number>; stop(): Promise<void> };

/**
 * The broker itself: file, service, port. Runs in a worker thread, since a checkpoint of the file can take longer than an event loop
 * should stand still.
 * @throws Error naming the file or the address that it cannot have
 */
export async function runBroker(options: ResolvedOptions): Promise<RunningBroker> {
  const db = openDatabase(options.file);
  const store = new BrokerStore(db, { ...options, toDeadLetter });
  const queue = new CommitQueue(db);
  const receive = new ReceiveService({ queue, store, minInvisibleMs: options.minInvisibleMs, storeHost: options.host });
  const telemetry = new TelemetryService(options.maxDeliveryAttempts, receive.presence);
  const cleanUp = new CleanUp(queue, store, options);
  const server = new Server({ 'grpc.max_receive_message_length': MAX_REQUEST_BYTES, 'grpc.max_send_message_length': -1 });
  server.addService(serviceGrpc.MessagingServiceService, messagingService({ queue, store, receive, telemetry }));
  let port: number;
  try {
    port = await listen(server, options.host, options.port);
  } catch (error) {
    receive.close();
    db.close();
    throw error;
  }
  allowLongDeadlines(server);
  cleanUp.start();
  return {
    port,
    countDeadLetters: (group) => queue.submit(() => store.countDeadLetters(group)),
    stop: async () => {
      await cleanUp.stop();
      receive.close();
      telemetry.close();
      await shutDown(server);
      // One empty round behind everything that is still queued; whether it commits is its callers' matter.
      await queue.submit(() => undefined).catch(() => undefined);
      db.close();
    },
  };
}

function listen(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(`${host}:${port}`, ServerCredentials.createInsecure(), (error, bound) => {
      if (!error) {
        resolve(bound);
        return;
      }
      reject(new Error(cannotListen('embedded broker', host, port, error), { cause: error }));
    });
  });
}

async function shutDown(server: Server): Promise<void> {
  const drained = new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
  await withDeadline(drained, SHUTDOWN_MS, () => server.forceShutdown());
}
