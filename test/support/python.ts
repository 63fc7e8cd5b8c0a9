import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '../..');
const VENV = join(ROOT, '.cache', 'python');
const REQUIREMENTS = join(ROOT, 'examples', 'python-consumer', 'requirements.txt');

/**
 * A Python with the packages of the examples, made in .cache/python when it is not there yet.
 * @returns path of the interpreter
 * @throws Error with a line that says what is missing
 */
export function ensurePython(): string {
  const python = join(VENV, 'bin', 'python');
  const installed = join(VENV, 'requirements.txt');
  const wanted = readFileSync(REQUIREMENTS, 'utf8');
  if (existsSync(installed) && readFileSync(installed, 'utf8') === wanted) return python;
  rmSync(VENV, { recursive: true, force: true });
  mkdirSync(join(ROOT, '.cache'), { recursive: true });
  try {
    makeVenv();
    execFileSync(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', REQUIREMENTS], { stdio: 'pipe' });
  } catch (cause) {
    throw new Error('The examples in Python cannot be tested: they need python3 (3.10 or newer) with venv, and pip must reach its packages.', {
      cause,
    });
  }
  writeFileSync(installed, wanted);
  return python;
}

function makeVenv(): void {
  try {
    execFileSync('python3', ['-m', 'venv', VENV], { stdio: 'pipe' });
  } catch {
    // Debian has venv in a package of its own; where apt cannot bring it either, its error is the one to show.
    console.log('installing python3-venv (apt) …');
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    execFileSync('apt-get', ['update', '-qq'], { stdio: 'pipe', env });
    execFileSync('apt-get', ['install', '-y', '-qq', 'python3-venv'], { stdio: 'pipe', env });
    execFileSync('python3', ['-m', 'venv', '--clear', VENV], { stdio: 'pipe' });
  }
}

/** Makes the Python stubs of the reliable-message service in a folder, from `proto/` as it is now. */
export function makePythonStubs(python: string, folder: string): void {
  const out = [`--python_out=${folder}`, `--grpc_python_out=${folder}`];
  const protos = ['tpc/v1/message.proto', 'tpc/v1/reliable_message_service.proto'];
  execFileSync(python, ['-m', 'grpc_tools.protoc', '-I', join(ROOT, 'proto'), ...out, ...protos], { stdio: 'pipe' });
}
