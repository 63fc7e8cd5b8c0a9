/** Where a test run keeps its real stack. Loaded by vitest itself, before there are tests, so it imports nothing of the product. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const CACHE = resolve('.cache');
const PREFIX = 'test-stack-';
const NOTE = 'unavailable';

/**
 * Chooses the run's folder; first clears away what runs that were killed have left.
 * @returns takes the stack down, if one was brought up
 */
export function chooseRunFolder(): () => void {
  for (const name of existsSync(CACHE) ? readdirSync(CACHE) : []) {
    if (name.startsWith(PREFIX) && !isRunning(Number(name.slice(PREFIX.length)))) takeDown(join(CACHE, name));
  }
  const folder = join(CACHE, `${PREFIX}${process.pid}`);
  process.env.TEST_STACK_DIR = folder;
  return () => takeDown(folder);
}

/** The folder of this run's real stack. */
export function runFolder(): string {
  const folder = process.env.TEST_STACK_DIR;
  if (!folder) throw new Error('TEST_STACK_DIR is not set: run the tests by npm test, whose global set-up chooses it');
  return folder;
}

/** Why the run has no stack; undefined when nobody asked, or it has one. */
export function whyNoStack(): string | undefined {
  const file = join(runFolder(), NOTE);
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
}

export function noteWhyNoStack(reason: string): void {
  writeFileSync(join(runFolder(), NOTE), reason);
}

function takeDown(folder: string): void {
  if (existsSync(join(folder, 'run'))) {
    const args = ['--conditions=tpc-source', '--disable-warning=ExperimentalWarning', 'scripts/stack.ts', 'down'];
    execFileSync(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, STACK_DIR: folder } });
  }
  rmSync(folder, { recursive: true, force: true });
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false; // No such process, or another user's: then the folder is not ours to use either.
  }
}
