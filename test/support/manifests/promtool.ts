import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';

const BIN = resolve(import.meta.dirname, '../../../.cache/bin');
const PROMTOOL = join(BIN, 'promtool');

/**
 * Prometheus' promtool: the one on the PATH, else the one in .cache/bin, else out of Debian's package, which is downloaded and not installed.
 * @returns the command
 * @throws Error with a line that says what is missing
 */
export function ensurePromtool(): string {
  if (works('promtool')) return 'promtool';
  if (existsSync(PROMTOOL)) return PROMTOOL;
  mkdirSync(BIN, { recursive: true });
  // Taken apart aside and moved, so that a download that is broken off leaves nothing half done.
  const aside = mkdtempSync(join(BIN, 'unpacking-'));
  try {
    unpack(aside);
    renameSync(join(aside, 'usr', 'bin', 'promtool'), PROMTOOL);
  } catch (cause) {
    throw new Error(`the alert rules cannot be checked: they need promtool of Prometheus 2.42 or newer on the PATH, or in ${BIN}`, { cause });
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
  return PROMTOOL;
}

function works(command: string): boolean {
  try {
    execFileSync(command, ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    // Not there.
    return false;
  }
}

function unpack(folder: string): void {
  console.log('downloading promtool (apt) …');
  const run = (command: string, ...args: string[]) => execFileSync(command, args, { cwd: folder, stdio: 'pipe' });
  try {
    run('apt-get', 'download', '-qq', 'prometheus');
  } catch {
    // The list of packages may be old or not there yet.
    run('apt-get', 'update', '-qq');
    run('apt-get', 'download', '-qq', 'prometheus');
  }
  const [file = ''] = readdirSync(folder);
  run('dpkg-deb', '-x', file, '.');
}
