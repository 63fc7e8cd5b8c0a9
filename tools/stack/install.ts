import { type SpawnOptions, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { StartError } from '@tpc/platform';
import type { Progress } from './progress.ts';
import { installFolder } from './settings.ts';

const ROCKETMQ_VERSION = '5.5.0';
/** Of its Go module. The same release is called 2.13.0 as a program, and as an image (k8s/components/jaeger). */
const JAEGER_VERSION = '1.76.0';
const JAEGER_MODULE = 'github.com/jaegertracing/jaeger/cmd/jaeger';
const POM = join(import.meta.dirname, 'rocketmq', 'pom.xml');

/** Programs that are looked for, and Debian's packages that have them. */
const PROGRAMS = [
  { program: 'mariadbd', debian: 'mariadb-server' },
  { program: 'redis-server', debian: 'redis-server' },
  { program: 'java', debian: 'default-jre-headless' },
] as const;
const MAVEN = { program: 'mvn', debian: 'maven' };

/** Where a program is, also in the folders of system programs, which are not on everyone's path. */
export function findProgram(name: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/local/go/bin', '/usr/sbin', '/usr/local/sbin', '/usr/bin', '/usr/local/bin'];
  return folders.map((folder) => join(folder, name)).find((file) => existsSync(file));
}

/** @throws StartError when it is not there */
export function program(name: string): string {
  const file = findProgram(name);
  if (!file) throw new StartError(`${name} is not installed: run npm run stack -- up`);
  return file;
}

/** Jaeger's program. */
export function jaegerProgram(): string {
  return join(installFolder(), `jaeger-${JAEGER_VERSION}`, 'jaeger');
}

/** The folder with RocketMQ's jars. */
export function rocketmqFolder(): string {
  return join(installFolder(), `rocketmq-${ROCKETMQ_VERSION}`);
}

/**
 * Installs what is missing: programs by apt, RocketMQ by Maven from Maven Central.
 * @throws StartError with a line that says what to install by hand, when it cannot
 */
export async function installMissing(progress: Progress): Promise<void> {
  if (process.platform !== 'linux') throw new StartError('npm run stack needs Linux; with Docker, compose.yaml gives the same elsewhere');
  const missing = missingPackages(existsSync(rocketmqFolder()) ? PROGRAMS : [...PROGRAMS, MAVEN]);
  if (missing.length > 0) await installByApt(missing, progress, 'use compose.yaml with Docker');
  await installRocketMq(progress);
}

/** Debian's packages of those programs that are not there. */
export function missingPackages(programs: readonly { program: string; debian: string }[]): string[] {
  return programs.filter(({ program: name }) => findProgram(name) === undefined).map(({ debian }) => debian);
}

/**
 * Fetches RocketMQ's jars where they are missing.
 * @returns their folder
 */
export async function installRocketMq(progress: Progress): Promise<string> {
  const jars = rocketmqFolder();
  if (existsSync(jars)) return jars;
  const maven = missingPackages([MAVEN]);
  if (maven.length > 0) await installByApt(maven, progress, 'use compose.yaml with Docker');
  await progress.step(`installing RocketMQ ${ROCKETMQ_VERSION} (Maven)`, () => fetchRocketMq(jars));
  return jars;
}

/**
 * Installs Debian's packages.
 * @param instead what else a person may do, for the error's line
 * @throws StartError when it cannot
 */
export async function installByApt(packages: readonly string[], progress: Progress, instead: string): Promise<void> {
  const byHand = `install ${packages.join(' ')}, or ${instead}`;
  if (!findProgram('apt-get')) throw new StartError(`apt-get is not there to install what is missing: ${byHand}`);
  const root = process.getuid?.() === 0;
  if (!root && spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' }).status !== 0) {
    throw new StartError(`not root, and sudo asks for a password: ${byHand} (sudo apt-get install -y ${packages.join(' ')})`);
  }
  const apt = (...args: string[]) => {
    const [file, ...rest] = [...(root ? [] : ['sudo', '-n']), 'env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', '-qq', ...args] as [
      string,
      ...string[],
    ];
    return runQuietly(file, rest, `apt-get ${args[0]} failed: ${byHand}`);
  };
  await progress.step(`installing ${packages.join(', ')} (apt)`, async () => {
    await apt('update');
    await apt('install', '-y', '--no-install-recommends', ...packages);
  });
}

/**
 * Builds Jaeger from its Go module, which has no program to fetch. Once: it takes minutes.
 * @returns the folder that holds it
 * @throws StartError with a line that says what is missing
 */
export async function installJaeger(progress: Progress): Promise<string> {
  const folder = dirname(jaegerProgram());
  if (existsSync(jaegerProgram())) return folder;
  if (!findProgram('go')) throw new StartError('Jaeger is built with Go, which is not there: install Go 1.25 or newer (https://go.dev/dl/)');
  const partial = `${folder}.partial`;
  await progress.step(`building Jaeger ${JAEGER_VERSION} with Go: once, 5 to 10 minutes`, async () => {
    rmSync(partial, { recursive: true, force: true });
    mkdirSync(partial, { recursive: true });
    // Without C it needs no library of this machine, so it also runs in an image.
    const options = { cwd: partial, env: { ...process.env, CGO_ENABLED: '0' } };
    const go = (...args: string[]) => runQuietly(program('go'), args, `go ${args[0]} failed for Jaeger ${JAEGER_VERSION}`, options);
    await go('mod', 'init', 'tools/jaeger');
    await go('get', '-tool', `${JAEGER_MODULE}@v${JAEGER_VERSION}`);
    await go('build', '-ldflags', '-s -w', '-o', 'jaeger', JAEGER_MODULE);
  });
  renameSync(partial, folder);
  return folder;
}

/** All jars, or none: an interrupted copy is not taken for an installation. */
async function fetchRocketMq(folder: string): Promise<void> {
  const partial = `${folder}.partial`;
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(partial, { recursive: true });
  const args = ['-q', '-B', '-f', POM, `-Drocketmq.version=${ROCKETMQ_VERSION}`, 'dependency:copy-dependencies', `-DoutputDirectory=${partial}`];
  await runQuietly(program('mvn'), args, `Maven cannot fetch RocketMQ ${ROCKETMQ_VERSION} from Maven Central`);
  renameSync(partial, folder);
}

/** @throws StartError with `failure` and what it said about it */
export async function runQuietly(file: string, args: readonly string[], failure: string, options: SpawnOptions = {}): Promise<void> {
  const child = spawn(file, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      said = (said + chunk).slice(-20_000);
    });
  }
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (code !== 0) throw new StartError(`${failure}: ${reasonIn(said)}`);
}

/** The line in which Maven or apt says what was wrong; the ones after it tell how to find out. */
function reasonIn(said: string): string {
  const lines = said.trim().split('\n');
  return (lines.find((line) => /^(\[ERROR\]|E:) ?\S/.test(stripVTControlCharacters(line))) ?? lines.at(-1) ?? '').slice(0, 500);
}
