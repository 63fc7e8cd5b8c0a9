/**
 * The real MariaDB, Redis and RocketMQ for tests: one stack of its own for a run, on ports of its own, brought up by the first test that needs it
 * and taken down when the run ends.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { loadConfig } from '@tpc/platform';
import { createProgress } from '../../scripts/stack/progress.ts';
import { type StackSettings, stackSchema } from '../../scripts/stack/settings.ts';
import { Stack } from '../../scripts/stack/stack.ts';
import { noteWhyNoStack, runFolder, whyNoStack } from './run-folder.ts';

const PORTS = [
  'STACK_MYSQL_PORT',
  'STACK_REDIS_PORT',
  'STACK_BROKER_PORT',
  'STACK_NAME_SERVER_PORT',
  'STACK_STORE_PORT',
  'STACK_SMTP_PORT',
  'STACK_INBOX_PORT',
  'STACK_OTLP_PORT',
  'STACK_JAEGER_PORT',
] as const;
/**
 * Ports are taken from below those that the system gives to outgoing connections: a client that looks for a killed server would else now and then get
 * the server's own port, and find itself.
 */
const LOWEST_PORT = 12_000;
const HIGHEST_PORT = 32_000;

/**
 * The run's stack, up.
 * @returns undefined where it cannot be had; the run's last lines say so and why
 * @throws the reason, where TPC_REQUIRE_STACK=1 insists on it
 */
export async function realStack(): Promise<Stack | undefined> {
  const folder = runFolder();
  mkdirSync(folder, { recursive: true });
  if (whyNoStack() !== undefined) return undefined;
  const stack = new Stack(await settingsOf(folder));
  try {
    await stack.up(createProgress((line) => console.log(`stack: ${line}`)));
    return stack;
  } catch (error) {
    if (process.env.TPC_REQUIRE_STACK === '1') throw error;
    noteWhyNoStack((error as Error).message);
    return undefined;
  }
}

/** All test files of a run use the same ports; the first one chooses them. */
async function settingsOf(folder: string): Promise<StackSettings> {
  const file = join(folder, 'settings.json');
  if (!existsSync(file)) writeFileSync(file, JSON.stringify({ STACK_DIR: folder, ...(await choosePorts()) }));
  return loadConfig(stackSchema, JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>);
}

async function choosePorts(): Promise<Record<string, string>> {
  const chosen = new Map<string, number>();
  for (const name of PORTS) {
    // The broker takes neighbours as well, so that no two stand close together.
    const far = (port: number) => [...chosen.values()].every((other) => Math.abs(other - port) > 4);
    for (;;) {
      const port = LOWEST_PORT + Math.floor(Math.random() * (HIGHEST_PORT - LOWEST_PORT));
      if (!far(port) || !(await isFree(port))) continue;
      chosen.set(name, port);
      break;
    }
  }
  return Object.fromEntries([...chosen].map(([name, port]) => [name, String(port)]));
}

function isFree(port: number): Promise<boolean> {
  return new Promise((answer) => {
    const server = createServer();
    server.once('error', () => answer(false));
    server.listen(port, '127.0.0.1', () => server.close(() => answer(true)));
  });
}
