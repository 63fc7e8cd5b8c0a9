/** The processes of a node that is its own control plane, in the order in which they need each other. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findProgram } from '../stack/install.ts';
import type { StackPart } from '../stack/part.ts';
import { API_PORT, BRIDGE_ADDRESS, type ClusterFolders, type ClusterSettings, NODE_NAME, POD_RANGE, SERVICE_RANGE } from './settings.ts';

const run = promisify(execFile);

type Command = { name: string; title: string; after: string[]; file: string; flags: Readonly<Record<string, string>>; probe: () => Promise<unknown> };

export function clusterParts(folders: ClusterFolders, settings: ClusterSettings): StackPart[] {
  const commands = [...controlPlane(folders, settings), ...node(folders)];
  return commands.map(({ name, title, after, file, flags, probe }) => ({
    name,
    title,
    after,
    ports: name === 'etcd' ? [0, 1].map((above) => ({ port: settings.CLUSTER_ETCD_PORT + above, setting: 'CLUSTER_ETCD_PORT' })) : [],
    stopWithinMs: 15_000,
    command: async () => ({ file, args: Object.entries(flags).map(([flag, value]) => `${flag}=${value}`), cwd: folders.run }),
    probe: async () => void (await probe()),
  }));
}

function controlPlane({ run: state, bin, kubeconfig }: ClusterFolders, { CLUSTER_ETCD_PORT: port }: ClusterSettings): Command[] {
  const etcd = `http://127.0.0.1:${port}`;
  const peers = `http://127.0.0.1:${port + 1}`;
  const kubectl = (...args: string[]) => run('kubectl', args, { env: { ...process.env, KUBECONFIG: kubeconfig } });
  return [
    {
      name: 'etcd',
      title: 'etcd',
      after: [],
      file: findProgram('etcd') ?? 'etcd',
      flags: {
        '--data-dir': join(state, 'etcd'),
        '--listen-client-urls': etcd,
        '--advertise-client-urls': etcd,
        '--listen-peer-urls': peers,
        '--initial-advertise-peer-urls': peers,
        '--initial-cluster': `default=${peers}`,
      },
      probe: () => fetch(`${etcd}/health`, { signal: AbortSignal.timeout(2_000) }),
    },
    {
      name: 'kube-apiserver',
      title: 'API server',
      after: ['etcd'],
      file: join(bin, 'kube-apiserver'),
      flags: {
        '--etcd-servers': etcd,
        '--bind-address': BRIDGE_ADDRESS,
        '--advertise-address': BRIDGE_ADDRESS,
        '--secure-port': String(API_PORT),
        '--cert-dir': join(state, 'certificates'),
        '--authorization-mode': 'RBAC',
        '--allow-privileged': 'true',
        '--service-account-issuer': 'https://kubernetes.default.svc',
        '--service-account-signing-key-file': join(state, 'service-accounts.key'),
        '--service-account-key-file': join(state, 'service-accounts.pub'),
        '--service-cluster-ip-range': SERVICE_RANGE,
        '--token-auth-file': join(state, 'tokens.csv'),
        '--kubelet-preferred-address-types': 'InternalIP',
      },
      probe: () => kubectl('get', '--raw', '/readyz'),
    },
    {
      name: 'kube-controller-manager',
      title: 'controller manager',
      after: ['kube-apiserver'],
      file: join(bin, 'kube-controller-manager'),
      flags: {
        '--kubeconfig': kubeconfig,
        '--service-account-private-key-file': join(state, 'service-accounts.key'),
        '--root-ca-file': join(state, 'certificates', 'apiserver.crt'),
        '--leader-elect': 'false',
        '--bind-address': '127.0.0.1',
        // A pod's service account comes from it.
      },
      probe: () => kubectl('get', 'serviceaccount', 'default', '--namespace', 'default'),
    },
    {
      name: 'kube-scheduler',
      title: 'scheduler',
      after: ['kube-apiserver'],
      file: join(bin, 'kube-scheduler'),
      flags: { '--kubeconfig': kubeconfig, '--leader-elect': 'false', '--bind-address': '127.0.0.1' },
      probe: async () => undefined,
    },
  ];
}

function node({ run: state, bin, kubeconfig, containerdSocket }: ClusterFolders): Command[] {
  return [
    {
      name: 'containerd',
      title: 'containerd',
      after: [],
      file: findProgram('containerd') ?? 'containerd',
      flags: { '--config': join(state, 'containerd.toml') },
      probe: () => run('ctr', ['--address', containerdSocket, 'version']),
    },
    {
      name: 'coredns',
      title: 'DNS',
      after: ['kube-apiserver'],
      file: join(bin, 'coredns'),
      flags: { '-conf': join(state, 'Corefile') },
      probe: () => resolves('kubernetes.default.svc.cluster.local'),
    },
    {
      name: 'kubelet',
      title: 'kubelet',
      after: ['containerd', 'kube-apiserver', 'coredns'],
      file: join(bin, 'kubelet'),
      flags: {
        '--config': join(state, 'kubelet.json'),
        '--kubeconfig': kubeconfig,
        '--root-dir': join(state, 'kubelet'),
        '--hostname-override': NODE_NAME,
        '--node-ip': BRIDGE_ADDRESS,
        '--node-labels': 'topology.kubernetes.io/zone=zone-a',
      },
      // After a restart the API server still knows a ready node of earlier.
      probe: async () => {
        await fetch('http://127.0.0.1:10248/healthz', { signal: AbortSignal.timeout(2_000) });
        const { stdout } = await run('kubectl', ['get', 'node', NODE_NAME], { env: { ...process.env, KUBECONFIG: kubeconfig } });
        if (!/ Ready /.test(stdout)) throw new Error(`the node is not ready: ${stdout}`);
      },
    },
    {
      name: 'kube-proxy',
      title: 'service proxy',
      after: ['kube-apiserver'],
      file: join(bin, 'kube-proxy'),
      flags: {
        '--kubeconfig': kubeconfig,
        '--hostname-override': NODE_NAME,
        '--cluster-cidr': POD_RANGE,
        '--proxy-mode': 'iptables',
        // It may not write these settings of the kernel everywhere, and need not.
        '--conntrack-max-per-core': '0',
        '--conntrack-tcp-timeout-established': '0',
        '--conntrack-tcp-timeout-close-wait': '0',
        '--bind-address': '127.0.0.1',
        '--healthz-bind-address': '127.0.0.1:10256',
      },
      probe: () => fetch('http://127.0.0.1:10256/livez', { signal: AbortSignal.timeout(2_000) }),
    },
  ];
}

async function resolves(name: string): Promise<void> {
  const { Resolver } = await import('node:dns/promises');
  const resolver = new Resolver({ timeout: 2_000, tries: 1 });
  resolver.setServers([BRIDGE_ADDRESS]);
  await resolver.resolve4(name);
}
