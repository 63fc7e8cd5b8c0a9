import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';

const BIN = resolve(import.meta.dirname, '../../.cache/bin');
/** How often a line says that the build still goes on, milliseconds. */
const PROGRESS_MS = 20_000;
/** How long a build may take on a slow machine without any module in Go's cache, milliseconds. */
export const GO_BUILD_MS = 600_000;

export type GoTool = {
  /** Of the program, which is the last part of its package's path. */
  name: string;
  /** Go package of the program. */
  package: string;
  version: string;
  /** For the line that announces the build: `about two minutes`. */
  takes: string;
};

/**
 * A program in Go, built into .cache/bin when it is not there yet.
 * @returns the folder that holds it, for a PATH
 * @throws Error with a line that says what is missing
 */
export async function ensureGoTool(tool: GoTool): Promise<string> {
  const folder = join(BIN, `${tool.name}-${tool.version}`);
  if (existsSync(join(folder, tool.name))) return folder;
  mkdirSync(BIN, { recursive: true });
  // Built aside and moved, so that a build that is broken off leaves nothing half done.
  const aside = mkdtempSync(join(BIN, 'building-'));
  try {
    await build(tool, aside);
    moveTo(folder, aside, tool.name);
  } catch (cause) {
    const advice = `it needs Go on the PATH (https://go.dev/dl), which must reach its modules, or a ${tool.name} ${tool.version} in ${folder}`;
    throw new Error(`${tool.name} cannot be had: ${advice}. ${(cause as Error).message}`, { cause });
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
  return folder;
}

/** Another run may have been as quick: then its one is taken. */
function moveTo(folder: string, aside: string, name: string): void {
  try {
    renameSync(aside, folder);
  } catch (error) {
    if (!existsSync(join(folder, name))) throw error;
  }
}

async function build(tool: GoTool, folder: string): Promise<void> {
  const began = performance.now();
  const seconds = () => Math.round((performance.now() - began) / 1000);
  console.log(`building ${tool.name} ${tool.version} with Go, once: ${tool.takes} …`);
  const progress = setInterval(() => console.log(`still building ${tool.name}, ${seconds()} s …`), PROGRESS_MS);
  try {
    await goInstall(tool, folder);
  } finally {
    clearInterval(progress);
  }
  console.log(`${tool.name} is built after ${seconds()} s`);
}

function goInstall(tool: GoTool, folder: string): Promise<void> {
  const go = spawn('go', ['install', `${tool.package}@${tool.version}`], {
    env: { ...process.env, GOBIN: folder },
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: GO_BUILD_MS,
  });
  let errors = '';
  go.stderr.on('data', (chunk) => {
    errors += chunk;
  });
  return new Promise((done, failed) => {
    go.once('error', (error: NodeJS.ErrnoException) => failed(error.code === 'ENOENT' ? new Error('There is no program go.') : error));
    go.once('close', (code) => (code === 0 ? done() : failed(new Error(`go install ended with ${code}: ${errors.trim().slice(-500)}`))));
  });
}
