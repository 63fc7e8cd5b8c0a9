import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './free-port.ts';
import { until } from './until.ts';

const REDIS = '/usr/bin/redis-server';

export type TestRedis = {
  port: number;
  /** Sends one command as a person types it, and answers with what comes back. */
  command(text: string): Promise<string>;
  signal(signal: NodeJS.Signals): void;
  /** Ends it with kill -9; `start` brings it back on the same port. */
  kill(): Promise<void>;
  start(): Promise<void>;
  stop(): Promise<void>;
};

/** Installs Redis where apt is there and may install. Throws with a line that says what is missing. */
function ensureRedis(): void {
  if (existsSync(REDIS)) return;
  try {
    console.log('installing redis-server (apt) …');
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    execFileSync('apt-get', ['update', '-qq'], { stdio: 'ignore', env });
    execFileSync('apt-get', ['install', '-y', '-qq', 'redis-server'], { stdio: 'ignore', env });
  } catch (cause) {
    throw new Error(`Redis is needed by the tests: install redis-server as ${REDIS}.`, { cause });
  }
}

/**
 * Starts a Redis of its own on loopback, in a folder of its own.
 * @param options its settings, as in redis.conf; with `tls-port` it has no other port
 */
export async function startRedis(options: Readonly<Record<string, string>> = {}, mode: readonly string[] = []): Promise<TestRedis> {
  ensureRedis();
  const dir = mkdtempSync(join(tmpdir(), 'tpc-redis-'));
  const port = await freePort();
  const ports = 'tls-cert-file' in options ? { port: '0', 'tls-port': String(port) } : { port: String(port) };
  const settings = { ...ports, bind: '127.0.0.1', dir, save: '', ...options };
  const args = [...mode, ...Object.entries(settings).flatMap(([name, value]) => [`--${name}`, ...value.split(' ')])];
  let child: ChildProcess | undefined;
  const end = async (signal: NodeJS.Signals) => {
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = new Promise((resolve) => child?.once('exit', resolve));
    child.kill(signal);
    await exited;
  };
  const redis: TestRedis = {
    port,
    command: (text) => say(port, text),
    signal: (signal) => void child?.kill(signal),
    kill: () => end('SIGKILL'),
    async start() {
      child = spawn(REDIS, args, { stdio: 'ignore' });
      await until('Redis listens', () => listens(port), 10_000, 20);
    },
    async stop() {
      await end('SIGKILL');
      rmSync(dir, { recursive: true, force: true });
    },
  };
  await redis.start();
  return redis;
}

function listens(port: number): Promise<boolean> {
  return say(port, '').then(
    () => true,
    () => false,
  );
}

async function say(port: number, text: string): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port });
  try {
    return await new Promise<string>((resolve, reject) => {
      socket.once('error', reject);
      socket.once('connect', () => (text === '' ? resolve('') : socket.write(`${text}\r\n`)));
      socket.once('data', (answer) => resolve(String(answer).trim()));
    });
  } finally {
    socket.destroy();
  }
}
