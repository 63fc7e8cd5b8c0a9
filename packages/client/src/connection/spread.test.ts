import { MessageState } from '@tpc/gen/tpc/v1/message';
import { ReliableMessageServiceService } from '@tpc/gen/tpc/v1/reliable_message_service';
import { createLog, type GrpcServer, serve, startGrpcServer } from '@tpc/platform';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { connectTpc, type TpcConnection } from './index.ts';

/** Replicas of TPC, as a headless service gives their addresses. */
const log = createLog({ service: 'test', level: 'silent', format: 'json' });
const REPLICAS = 3;
const CALLERS = 8;
const request = { producerGroup: 'g', messageKey: 'k' };
type Replica = { server: GrpcServer; calls: number; until: Promise<void> };
let replicas: Replica[];
let tpc: TpcConnection;

async function startReplica() {
  const replica: Replica = { calls: 0, server: undefined as unknown as GrpcServer, until: Promise.resolve() };
  const confirmAndSendMessage = async () => {
    replica.calls++;
    await replica.until;
    await new Promise(setImmediate);
    return { state: MessageState.MESSAGE_STATE_SENDING };
  };
  const names = Object.keys(ReliableMessageServiceService);
  const handlers = Object.fromEntries(names.map((name) => [name, confirmAndSendMessage]));
  const options = { host: '127.0.0.1', port: 0, portSetting: 'X', domain: 'tpc', log };
  replica.server = await startGrpcServer({ ...options, services: [serve(ReliableMessageServiceService, handlers as never)] });
  return replica;
}

beforeEach(async () => {
  replicas = await Promise.all(Array.from({ length: REPLICAS }, startReplica));
  tpc = connectTpc({ address: `ipv4:${replicas.map(({ server }) => `127.0.0.1:${server.port}`).join(',')}` });
});
afterEach(async () => {
  tpc.close();
  await Promise.all(replicas.map(({ server }) => server.stop()));
});

/** Until each of the replicas has had `times` calls. */
async function callUntil(times: number, among = replicas): Promise<void> {
  const deadline = performance.now() + 30_000;
  const goals = among.map((replica) => ({ replica, goal: replica.calls + times }));
  while (goals.some(({ replica, goal }) => replica.calls < goal)) {
    if (performance.now() > deadline) throw new Error(`calls: ${replicas.map(({ calls }) => calls)}`);
    await Promise.all(Array.from({ length: CALLERS }, () => tpc.confirmAndSendMessage(request)));
  }
}

it('spreads the calls over all replicas', async () => {
  await callUntil(1);
  const before = replicas.map(({ calls }) => calls);
  for (let round = 0; round < 10; round++) await Promise.all(Array.from({ length: REPLICAS }, () => tpc.confirmAndSendMessage(request)));
  expect(replicas.map(({ calls }, index) => calls - (before[index] ?? 0))).toEqual([10, 10, 10]);
});

it('soon leaves out a replica that has frozen, and asks it again once it answers', async () => {
  await callUntil(1);
  const [frozen, ...others] = replicas as [Replica, ...Replica[]];
  const thaw = Promise.withResolvers<void>();
  frozen.until = thaw.promise;
  const call = () => tpc.confirmAndSendMessage(request, { deadlineMs: 100 });
  const deadline = performance.now() + 30_000;
  for (let inARow = 0; inARow < 20; ) {
    if (performance.now() > deadline) throw new Error('the frozen replica is asked again and again');
    inARow = await call().then(
      () => inARow + 1,
      () => 0,
    );
  }
  expect(others.every(({ calls }) => calls > 0)).toBe(true);
  thaw.resolve();
  await callUntil(1, [frozen]);
});

it('loses no call while one replica after another stops', async () => {
  await callUntil(1);
  for (let stopped = 0; stopped < REPLICAS - 1; stopped++) {
    const ended = replicas[stopped]?.server.stop();
    await callUntil(50, replicas.slice(stopped + 1));
    await ended;
  }
});
