import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';

export const GRPCURL_VERSION = 'v1.9.3';

const BIN = resolve(import.meta.dirname, '../../.cache/bin');
const FOLDER = join(BIN, `grpcurl-${GRPCURL_VERSION}`);
/** How often a line says that the build still goes on, milliseconds. */
const PROGRESS_MS = 20_000;

/** How long a build may take on a slow machine without any module in Go's cache, milliseconds. */
export const GRPCURL_BUILD_MS = 600_000;

/**
 * The real grpcurl, built by Go into .cache/bin when it is not there yet.
 * @returns the folder that holds `grpcurl`, for a PATH
 * @throws Error with a line that says what is missing
 */
export async function ensureGrpcurl(): Promise<string> {
  if (existsSync(join(FOLDER, 'grpcurl'))) return FOLDER;
  mkdirSync(BIN, { recursive: true });
  // Built aside and moved, so that a build that is broken off leaves nothing half done.
  const aside = mkdtempSync(join(BIN, 'building-'));
  try {
    await build(aside);
    moveTo(FOLDER, aside);
  } catch (cause) {
    const advice = `it needs Go on the PATH (https://go.dev/dl), which must reach its modules, or a grpcurl ${GRPCURL_VERSION} in ${FOLDER}`;
    throw new Error(`docs/grpcurl.md cannot be tested: ${advice}. ${(cause as Error).message}`, { cause });
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
  return FOLDER;
}

/** Another run may have been as quick: then its one is taken. */
function moveTo(folder: string, aside: string): void {
  try {
    renameSync(aside, folder);
  } catch (error) {
    if (!existsSync(join(folder, 'grpcurl'))) throw error;
  }
}

async function build(folder: string): Promise<void> {
  const began = performance.now();
  console.log(`building grpcurl ${GRPCURL_VERSION} with Go, once: about two minutes …`);
  const progress = setInterval(() => console.log(`still building grpcurl, ${Math.round((performance.now() - began) / 1000)} s …`), PROGRESS_MS);
  try {
    await goInstall(folder);
  } finally {
    clearInterval(progress);
  }
  console.log(`grpcurl is built after ${Math.round((performance.now() - began) / 1000)} s`);
}

function goInstall(folder: string): Promise<void> {
  const go = spawn('go', ['install', `github.com/fullstorydev/grpcurl/cmd/grpcurl@${GRPCURL_VERSION}`], {
    env: { ...process.env, GOBIN: folder },
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: GRPCURL_BUILD_MS,
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
