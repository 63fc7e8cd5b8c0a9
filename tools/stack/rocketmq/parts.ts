import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PartCommand, StackPart } from '../part.ts';
import { HOST, type StackSettings, stateFolder } from '../settings.ts';
import { untilAnswers } from '../wait.ts';
import { java } from './java.ts';
import { queryRoute } from './proxy-route.ts';
import { brokersOf, ensureGroup, ensureTopic } from './remoting.ts';

const BROKER_NAME = 'stack-broker';
const CLUSTER = 'DefaultCluster';
/** Whether it exists does not matter: any answer is a sign of life. */
const ANY_TOPIC = 'probe';
/** How long the proxy may take to learn of a new topic, milliseconds. */
const TOPIC_WITHIN_MS = 30_000;

export function nameServerPart(settings: StackSettings): StackPart {
  const folder = stateFolder(settings, 'name-server');
  const port = settings.STACK_NAME_SERVER_PORT;
  return {
    name: 'name-server',
    title: 'RocketMQ name server',
    ports: [{ port, setting: 'STACK_NAME_SERVER_PORT' }],
    after: [],
    stopWithinMs: 15_000,
    async command() {
      mkdirSync(folder, { recursive: true });
      const file = join(folder, 'name-server.conf');
      const paths = { kvConfigPath: join(folder, 'kv.json'), configStorePath: join(folder, 'stored.conf') };
      writeFileSync(file, properties({ listenPort: port, bindAddress: HOST, ...paths }));
      return java(folder, ['-Xms64m', '-Xmx128m'], 'org.apache.rocketmq.namesrv.NamesrvStartup', ['-c', file]);
    },
    async probe() {
      await brokersOf({ host: HOST, port });
    },
  };
}

/** Broker and proxy in one JVM. */
export function brokerPart(settings: StackSettings): StackPart {
  const folder = stateFolder(settings, 'broker');
  const { STACK_BROKER_PORT: port, STACK_STORE_PORT: storePort } = settings;
  const nameServer = { host: HOST, port: settings.STACK_NAME_SERVER_PORT };
  return {
    name: 'broker',
    title: 'RocketMQ broker and proxy',
    ports: [
      { port, setting: 'STACK_BROKER_PORT' },
      ...[storePort, storePort - 2, storePort + 1, storePort + 2].map((each) => ({ port: each, setting: 'STACK_STORE_PORT' })),
    ],
    after: ['name-server'],
    stopWithinMs: 30_000,
    command: () => brokerCommand(settings, folder),
    async probe() {
      if (!(await brokersOf(nameServer)).includes(BROKER_NAME)) throw new Error('the broker has not reached its name server');
      await queryRoute(HOST, port, ANY_TOPIC);
    },
    async prepare() {
      await makeGroups(settings, settings.STACK_GROUPS);
      await makeTopics(settings, settings.STACK_TOPICS);
    },
  };
}

/** Makes consumer groups where they are missing. */
export async function makeGroups({ STACK_STORE_PORT: port }: StackSettings, groups: readonly string[]): Promise<void> {
  for (const group of groups) await ensureGroup({ host: HOST, port }, group);
}

/** Makes topics where they are missing, and waits until clients find them. */
export async function makeTopics({ STACK_STORE_PORT: port, STACK_BROKER_PORT: proxyPort }: StackSettings, topics: readonly string[]): Promise<void> {
  for (const topic of topics) await ensureTopic({ host: HOST, port }, topic);
  for (const topic of topics) await untilAnswers(() => assertRouted(proxyPort, topic), TOPIC_WITHIN_MS);
}

async function assertRouted(port: number, topic: string): Promise<void> {
  const refusal = await queryRoute(HOST, port, topic);
  if (refusal !== undefined) throw new Error(`the proxy does not know topic ${topic}: ${refusal}`);
}

async function brokerCommand(settings: StackSettings, folder: string): Promise<PartCommand> {
  mkdirSync(folder, { recursive: true });
  const nameServer = `${HOST}:${settings.STACK_NAME_SERVER_PORT}`;
  const brokerConf = join(folder, 'broker.conf');
  writeFileSync(
    brokerConf,
    properties({
      brokerClusterName: CLUSTER,
      brokerName: BROKER_NAME,
      brokerId: 0,
      brokerIP1: settings.STACK_BROKER_HOST,
      bindAddress: HOST,
      listenPort: settings.STACK_STORE_PORT,
      namesrvAddr: nameServer,
      storePathRootDir: join(folder, 'store'),
      storePathCommitLog: join(folder, 'store', 'commitlog'),
      flushDiskType: settings.STACK_FLUSH === 'sync' ? 'SYNC_FLUSH' : 'ASYNC_FLUSH',
      // As on brokers in production: a topic with a typing error in its name is named, not made.
      autoCreateTopicEnable: false,
      autoCreateSubscriptionGroup: false,
      // Each flush compares 38 MB with what is on disk, a tenth of a core at the default of 1 s; timed messages, which nobody here sends, would be read again.
      timerFlushIntervalMs: 10_000,
      mappedFileSizeCommitLog: 64 * 1024 * 1024,
      mappedFileSizeConsumeQueue: 600_000,
    }),
  );
  const proxyConf = join(folder, 'proxy.json');
  writeFileSync(
    proxyConf,
    JSON.stringify({
      rocketMQClusterName: CLUSTER,
      proxyMode: 'LOCAL',
      grpcServerPort: settings.STACK_BROKER_PORT,
      // The proxy's port for the older protocol, which nobody here uses; its default, 8080, is often taken.
      remotingListenPort: settings.STACK_STORE_PORT + 2,
      namesrvAddr: nameServer,
      enableBatchAck: true,
    }),
  );
  const flags = ['-Xms256m', '-Xmx768m', '-XX:MaxDirectMemorySize=512m', `-Dcom.rocketmq.proxy.home=${folder}`, ...DISK_LIMITS];
  return java(folder, flags, 'org.apache.rocketmq.proxy.ProxyStartup', ['-bc', brokerConf, '-pc', proxyConf, '-n', nameServer]);
}

/** The broker refuses messages on a disk that is more than nine tenths full, as developers' disks are. */
const DISK_LIMITS = ['-Drocketmq.broker.diskSpaceWarningLevelRatio=0.98', '-Drocketmq.broker.diskSpaceCleanForciblyRatio=0.97'];

function properties(values: Record<string, string | number | boolean>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}
