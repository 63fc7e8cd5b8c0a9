import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '../../..');
const EXAMPLES = join(ROOT, 'examples', 'python-consumer', 'requirements.txt');

/**
 * A Python with the packages of the examples, made in .cache/python when it is not there yet.
 * @returns path of the interpreter
 * @throws Error with a line that says what is missing
 */
export function ensurePython(): string {
  return join(ensureVenv('python', EXAMPLES), 'bin', 'python');
}

/**
 * A folder below .cache with a Python of its own and the packages that a file names; made when it is not there yet, or names others.
 * @throws Error with a line that says what is missing
 */
export function ensureVenv(name: string, requirements: string): string {
  const folder = join(ROOT, '.cache', name);
  const python = join(folder, 'bin', 'python');
  const installed = join(folder, 'requirements.txt');
  const wanted = readFileSync(requirements, 'utf8');
  if (existsSync(installed) && readFileSync(installed, 'utf8') === wanted) return folder;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(ROOT, '.cache'), { recursive: true });
  try {
    makeVenv(folder);
    execFileSync(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', requirements], { stdio: 'pipe' });
  } catch (cause) {
    throw new Error(`${requirements} cannot be installed: it needs python3 (3.10 or newer) with venv, and pip must reach its packages.`, { cause });
  }
  writeFileSync(installed, wanted);
  return folder;
}

function makeVenv(folder: string): void {
  try {
    execFileSync('python3', ['-m', 'venv', folder], { stdio: 'pipe' });
  } catch {
    // Debian has venv in a package of its own; where apt cannot bring it either, its error is the one to show.
    console.log('installing python3-venv (apt) …');
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    execFileSync('apt-get', ['update', '-qq'], { stdio: 'pipe', env });
    execFileSync('apt-get', ['install', '-y', '-qq', 'python3-venv'], { stdio: 'pipe', env });
    execFileSync('python3', ['-m', 'venv', '--clear', folder], { stdio: 'pipe' });
  }
}

/** Makes the Python stubs of the reliable-message service in a folder, from `proto/` as it is now. */
export function makePythonStubs(python: string, folder: string): void {
  const out = [`--python_out=${folder}`, `--grpc_python_out=${folder}`];
  const protos = ['tpc/v1/message.proto', 'tpc/v1/reliable_message_service.proto'];
  execFileSync(python, ['-m', 'grpc_tools.protoc', '-I', join(ROOT, 'proto'), ...out, ...protos], { stdio: 'pipe' });
}
