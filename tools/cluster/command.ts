/** npm run cluster -- up | down | status | load: a real Kubernetes of one node on this machine, for npm run test:k8s and for trying the manifests. */

import { describeConfig, loadConfig, StartError } from '@tpc/platform';
import { parseArguments } from '../../scripts/lib/parse-arguments.ts';
import { createProgress } from '../stack/progress.ts';
import { Cluster } from './cluster.ts';
import { clusterSchema, KUBERNETES_VERSION } from './settings.ts';

const HELP = `npm run cluster -- <command>

A real Kubernetes ${KUBERNETES_VERSION} of one node: Linux, root, Go and kubectl; no Docker, no image registry.

  up             installs what is missing (Debian, Ubuntu: apt), builds Kubernetes from its Go modules (about 12 minutes, once), starts it
  down           stops it and everything in it; its state stays
  down --wipe    the same, and removes the state; the programs stay
  status         each process
  load FILE …    loads images, as docker save or npm run images -- --save writes them

Settings, by environment variable:
${describeConfig(clusterSchema)
  .map(({ key, defaultValue, description }) => `  ${key.padEnd(24)} ${defaultValue.padEnd(18)} ${description}`)
  .join('\n')}

Not there: what enforces network policies, a metrics server, a provisioner of volumes.`;

try {
  await main();
} catch (error) {
  process.stderr.write(`cluster: ${error instanceof StartError ? error.message : error instanceof Error ? error.stack : String(error)}\n`);
  process.exitCode = 1;
}

async function main(): Promise<void> {
  const { values, positionals } = readArguments();
  const [command, ...more] = positionals;
  if (values.help || command === undefined) return console.log(HELP);
  const cluster = new Cluster(loadConfig(clusterSchema, process.env));
  const progress = createProgress((line) => console.log(`cluster: ${line}`));
  if (command === 'load') return load(cluster, more);
  if (more.length > 0) throw new StartError(`one command at a time; there is ${more[0]} as well`);
  if (command === 'up') {
    await cluster.up(progress);
    progress.say(`ready: export KUBECONFIG=${cluster.kubeconfig}`);
  } else if (command === 'down') await cluster.down(progress, values.wipe);
  else if (command === 'status') status(cluster);
  else throw new StartError(`unknown command ${command}: up, down, status or load`);
}

function readArguments() {
  return parseArguments({ options: { help: { type: 'boolean', short: 'h' }, wipe: { type: 'boolean' } }, allowPositionals: true });
}

async function load(cluster: Cluster, files: readonly string[]): Promise<void> {
  if (files.length === 0) throw new StartError('load needs a file');
  for (const file of files) await cluster.load(file);
}

function status(cluster: Cluster): void {
  const parts = cluster.status();
  for (const { title, pid } of parts) console.log(`${title.padEnd(20)} ${pid ?? 'down'}`);
  if (parts.some(({ pid }) => pid === undefined)) process.exitCode = 1;
}
