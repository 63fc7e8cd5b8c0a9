/** The peers that are measured beside TPC: RocketMQ's own transactional message, and DTM's two-phase message. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import mysql from 'mysql2/promise';
import type { Progress } from '../tools/stack/progress.ts';
import { ensureTopic } from '../tools/stack/rocketmq/remoting.ts';
import { untilAnswers } from '../tools/stack/wait.ts';
import { CONSUMER_POOL, TRANSACTION_TOPIC } from './settings.ts';
import { freePort, program, type Starting, type System, start } from './systems.ts';

const DTM_MODULE = 'github.com/dtm-labs/dtm';
const DTM_VERSION = 'v1.19.0';
const DTM_FOLDER = resolve(import.meta.dirname, '../.cache/dtm');
const READY_WITHIN_MS = 20_000;

/**
 * RocketMQ's transactional message from Node: two requests of the broker for each message, beside the business transaction. From the first one on, a
 * thread of RocketMQ 5.5's broker turns without rest whenever no transaction is open (apache/rocketmq#10966), on a core that all others would miss.
 */
export async function startRocketMq(starting: Starting, store: { host: string; port: number }): Promise<System> {
  await ensureTopic(store, TRANSACTION_TOPIC, 'TRANSACTION');
  const env = { BENCH_DATABASE_URL: starting.databases.peers };
  const consumer = start(starting, 'rocketmq-consumer', program('rocketmq-consumer'), env);
  await consumer.ask('count');
  const producer = start(starting, 'rocketmq-producer', program('rocketmq-producer'), env);
  return {
    name: 'rocketmq',
    title: "RocketMQ's transactional message from Node",
    mode: 'single',
    producer,
    consumer,
    processes: { producer: producer.pid, consumer: consumer.pid, ...starting.shared },
    counted: { producer, consumer },
  };
}

/** DTM built from its Go module, with its tables in MariaDB. */
export async function startDtm(starting: Starting, progress: Progress): Promise<System> {
  const binary = await buildDtm(progress);
  const url = new URL(starting.databases.peers);
  await makeDtmTables(url);
  const { server, address } = await startDtmServer(binary, url);
  starting.started.push({ stop: async () => void server.kill('SIGTERM') });
  const env = { BENCH_DATABASE_URL: starting.databases.peers, BENCH_DTM: address };
  const consumer = start(starting, 'dtm-consumer', program('dtm-consumer'), env);
  const action = await consumer.ask<string>('address');
  const producer = start(starting, 'dtm-producer', program('dtm-producer'), { ...env, BENCH_DTM_ACTION: action });
  return {
    name: 'dtm',
    title: "DTM's two-phase message",
    mode: 'single',
    producer,
    consumer,
    processes: { producer: producer.pid, dtm: server.pid as number, consumer: consumer.pid, ...starting.shared },
    counted: { producer, consumer },
  };
}

/** Minutes the first time; the binary stays in .cache. */
async function buildDtm(progress: Progress): Promise<string> {
  const binary = join(DTM_FOLDER, 'dtm');
  if (existsSync(binary)) return binary;
  mkdirSync(DTM_FOLDER, { recursive: true });
  const go = (...args: string[]) =>
    new Promise<void>((done, reject) => {
      const child = spawn('go', args, { cwd: DTM_FOLDER, stdio: ['ignore', 'ignore', 'pipe'] });
      let words = '';
      child.stderr.on('data', (part: Buffer) => {
        words = (words + part).slice(-2_000);
      });
      child.once('error', (cause) => reject(new Error('DTM is built with Go: install it (apt-get install golang), or leave out --peers', { cause })));
      child.once('exit', (code) => (code === 0 ? done() : reject(new Error(`go ${args[0]} failed:\n${words}`))));
    });
  await progress.step(`building DTM ${DTM_VERSION} (some minutes, once)`, async () => {
    if (!existsSync(join(DTM_FOLDER, 'go.mod'))) await go('mod', 'init', 'tools/dtm');
    // Not `go install`: the module's go.mod has replace lines, which it refuses.
    await go('get', '-tool', `${DTM_MODULE}@${DTM_VERSION}`);
    await go('build', '-ldflags', '-s -w', '-o', 'dtm', DTM_MODULE);
  });
  return binary;
}

async function makeDtmTables(url: URL): Promise<void> {
  const folder = execFileSync('go', ['list', '-m', '-f', '{{.Dir}}', DTM_MODULE], { cwd: DTM_FOLDER, encoding: 'utf8' }).trim();
  const sql = readFileSync(join(folder, 'sqls', 'dtmsvr.storage.mysql.sql'), 'utf8');
  const connection = await mysql.createConnection({ uri: url.href, multipleStatements: true });
  try {
    await connection.query(sql);
  } finally {
    await connection.end();
  }
}

async function startDtmServer(binary: string, url: URL): Promise<{ server: ChildProcess; address: string }> {
  const port = await freePort();
  const server = spawn(binary, [], {
    cwd: DTM_FOLDER,
    stdio: 'ignore',
    env: {
      ...process.env,
      STORE_DRIVER: 'mysql',
      STORE_HOST: url.hostname,
      STORE_PORT: url.port,
      STORE_USER: url.username,
      STORE_PASSWORD: url.password,
      STORE_DB: 'dtm',
      STORE_MAX_OPEN_CONNS: String(CONSUMER_POOL),
      LOG_LEVEL: 'error',
      HTTP_PORT: String(port),
      GRPC_PORT: String(await freePort()),
      JSON_RPC_PORT: String(await freePort()),
    },
  });
  process.once('exit', () => server.kill('SIGKILL'));
  const address = `http://127.0.0.1:${port}`;
  await untilAnswers(async () => {
    await (await fetch(`${address}/api/dtmsvr/newGid`)).arrayBuffer();
  }, READY_WITHIN_MS);
  return { server, address };
}
