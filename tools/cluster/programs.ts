/**
 * The programs of a Kubernetes node. etcd, containerd, runc and the CNI plug-ins come from Debian; Kubernetes and CoreDNS are built from their Go modules,
 * since Debian has them not and no registry is needed for that.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { StartError } from '@tpc/platform';
import { findProgram, installByApt, missingPackages, runQuietly } from '../stack/install.ts';
import type { Progress } from '../stack/progress.ts';
import { type ClusterFolders, COREDNS_VERSION, KUBERNETES_VERSION } from './settings.ts';

const run = promisify(execFile);

/** Programs that are looked for, and Debian's packages that have them. */
const FROM_DEBIAN = [
  { program: 'etcd', debian: 'etcd-server' },
  { program: 'containerd', debian: 'containerd' },
  { program: 'runc', debian: 'runc' },
  { program: '../lib/cni/bridge', debian: 'containernetworking-plugins' },
  { program: 'iptables', debian: 'iptables' },
  { program: 'conntrack', debian: 'conntrack' },
  { program: 'ethtool', debian: 'ethtool' },
  { program: 'socat', debian: 'socat' },
  { program: 'ip', debian: 'iproute2' },
  { program: 'openssl', debian: 'openssl' },
  { program: 'buildah', debian: 'buildah' },
  { program: 'gcc', debian: 'gcc' },
  { program: '../share/doc/libc6-dev', debian: 'libc6-dev' },
];

/** Kubernetes' programs, each with the function in its package `app` that makes its command. Some want a context. */
const COMMANDS = {
  'kube-apiserver': 'NewAPIServerCommand()',
  'kube-controller-manager': 'NewControllerManagerCommand()',
  'kube-scheduler': 'NewSchedulerCommand()',
  kubelet: 'NewKubeletCommand(context.Background())',
  'kube-proxy': 'NewProxyCommand()',
};

/**
 * Installs and builds what is missing. A build of everything takes both cores of a small machine about 12 minutes; what is built stays.
 * @throws StartError with a line that says what is missing
 */
export async function installPrograms(folders: ClusterFolders, progress: Progress): Promise<void> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0)
    throw new StartError('the cluster needs Linux and root; any other cluster: set KUBECONFIG');
  if (!findProgram('kubectl')) throw new StartError('there is no kubectl: https://kubernetes.io/docs/tasks/tools/');
  const missing = missingPackages(FROM_DEBIAN);
  if (missing.length > 0) await installByApt(missing, progress, 'set KUBECONFIG to a cluster of your own');
  for (const folder of [folders.bin, folders.sources]) mkdirSync(folder, { recursive: true });
  const unbuilt = ['coredns', ...Object.keys(COMMANDS)].filter((name) => !existsSync(join(folders.bin, name)));
  if (unbuilt.length > 0 && !findProgram('go')) throw new StartError('there is no go to build Kubernetes with: https://go.dev/dl');
  for (const name of unbuilt) {
    const build = () => (name === 'coredns' ? buildCoreDns(folders) : buildKubernetes(folders, name as keyof typeof COMMANDS));
    await progress.step(`building ${name}, once`, build);
  }
}

async function buildCoreDns({ bin, sources }: ClusterFolders): Promise<void> {
  // Built aside and moved: a build that is broken off leaves nothing half done.
  const aside = join(sources, 'coredns');
  const module = `github.com/coredns/coredns@v${COREDNS_VERSION}`;
  await runQuietly('go', ['install', '-ldflags', '-s -w', module], 'CoreDNS cannot be built', { env: { ...process.env, GOBIN: aside } });
  renameSync(join(aside, 'coredns'), join(bin, 'coredns'));
}

/**
 * `go install` refuses Kubernetes: its go.mod replaces its own parts by folders of its repository, each of which is also published as a module. So each
 * program gets a module of its own, which takes those.
 */
async function buildKubernetes({ bin, sources }: ClusterFolders, name: keyof typeof COMMANDS): Promise<void> {
  const folder = join(sources, name);
  mkdirSync(folder, { recursive: true });
  const make = COMMANDS[name];
  const context = make.includes('context.') ? '\t"context"\n' : '';
  const imports = `import (\n${context}\t"os"\n\n\t"k8s.io/component-base/cli"\n\t"k8s.io/kubernetes/cmd/${name}/app"\n)\n`;
  writeFileSync(join(folder, 'main.go'), `package main\n\n${imports}\nfunc main() { os.Exit(cli.Run(app.${make})) }\n`);
  const go = (...args: string[]) => runQuietly('go', ['-C', folder, ...args], `${name} cannot be built`);
  writeFileSync(join(folder, 'go.mod'), await moduleFile(name, sources));
  await go('mod', 'tidy');
  const [major, minor] = KUBERNETES_VERSION.split('.');
  const version = { gitVersion: `v${KUBERNETES_VERSION}`, gitMajor: major, gitMinor: minor };
  const stamps = Object.entries(version).map(([key, value]) => `-X k8s.io/component-base/version.${key}=${value}`);
  await go('build', '-ldflags', ['-s', '-w', ...stamps].join(' '), '-o', join(folder, name), '.');
  renameSync(join(folder, name), join(bin, name));
}

/** A go.mod that takes Kubernetes' parts at the versions under which they are published: those of 1.34.1 as v0.34.1. */
async function moduleFile(name: string, sources: string): Promise<string> {
  const { stdout } = await run('go', ['mod', 'download', '-json', `k8s.io/kubernetes@v${KUBERNETES_VERSION}`], { cwd: sources });
  const { GoMod } = JSON.parse(stdout) as { GoMod: string };
  const version = `v0.${KUBERNETES_VERSION.slice('1.'.length)}`;
  const parts = [...readFileSync(GoMod, 'utf8').matchAll(/^\s+(k8s\.io\/[a-z-]+) v0\.0\.0(?: \/\/ indirect)?$/gm)].map(([, part]) => part);
  return [
    `module local/${name}\n\ngo 1.24.0\n\ngodebug default=go1.24\n`,
    `require k8s.io/kubernetes v${KUBERNETES_VERSION}`,
    ...parts.map((part) => `require ${part} ${version}\nreplace ${part} => ${part} ${version}`),
    '',
  ].join('\n');
}
