/**
 * The real MariaDB, Redis and RocketMQ for tests: one stack of its own for a run, on ports of its own, brought up by the first test that needs it
 * and taken down when the run ends.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadConfig } from '@tpc/platform';
import { createProgress } from '../../tools/stack/progress.ts';
import { type StackSettings, stackSchema } from '../../tools/stack/settings.ts';
import { Stack } from '../../tools/stack/stack.ts';
import { freePort } from './free-port.ts';
import { noteWhyNoStack, runFolder, whyNoStack } from './run/run-folder.ts';

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
  // RocketMQ's broker takes the ports around its own.
  const chosen = PORTS.map(async (name) => [name, String(await freePort(name === 'STACK_STORE_PORT' ? [-2, 1, 2] : []))] as const);
  return Object.fromEntries(await Promise.all(chosen));
}
