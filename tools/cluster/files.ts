/** What the cluster's programs read: keys, settings, the way in. */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { API_PORT, BRIDGE, BRIDGE_ADDRESS, type ClusterFolders, DNS_DOMAIN, POD_RANGE } from './settings.ts';

const SECRET = { mode: 0o600 };

/** Writes all of them; keys and token only where they are missing, as what they signed has to stay good. */
export function writeFiles(folders: ClusterFolders): void {
  for (const name of ['cni', 'kubelet', 'certificates']) mkdirSync(join(folders.run, name), { recursive: true });
  writeKeys(folders);
  writeKubeconfig(folders);
  writeFileSync(join(folders.run, 'containerd.toml'), containerdSettings(folders));
  writeFileSync(join(folders.run, 'cni', '10-bridge.conflist'), JSON.stringify(podNetwork()));
  writeFileSync(join(folders.run, 'Corefile'), dnsSettings(folders));
  writeFileSync(join(folders.run, 'kubelet.json'), JSON.stringify(kubeletSettings(folders)));
}

/** The key pair that signs service accounts' tokens, and the administrator's token. */
function writeKeys({ run }: ClusterFolders): void {
  const key = join(run, 'service-accounts.key');
  if (!existsSync(key)) {
    execFileSync('openssl', ['genrsa', '-out', key, '2048'], { stdio: 'ignore' });
    execFileSync('openssl', ['rsa', '-in', key, '-pubout', '-out', join(run, 'service-accounts.pub')], { stdio: 'ignore' });
  }
  const tokens = join(run, 'tokens.csv');
  if (!existsSync(tokens)) writeFileSync(tokens, `${randomBytes(24).toString('hex')},admin,admin,system:masters\n`, SECRET);
}

function writeKubeconfig({ run, kubeconfig }: ClusterFolders): void {
  const token = readFileSync(join(run, 'tokens.csv'), 'utf8').split(',')[0];
  const name = 'tpc-cluster';
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    // The API server makes this certificate at its first start.
    clusters: [
      { name, cluster: { server: `https://${BRIDGE_ADDRESS}:${API_PORT}`, 'certificate-authority': join(run, 'certificates/apiserver.crt') } },
    ],
    users: [{ name, user: { token } }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    'current-context': name,
  };
  writeFileSync(kubeconfig, JSON.stringify(config, undefined, 2), SECRET);
}

/** restrict_oom_score_adj: inside a container or a sandbox a process may not lower its score, and containerd would fail at each start of one. */
function containerdSettings({ run, containerdSocket }: ClusterFolders): string {
  return `version = 2
root = "${run}/containerd"
state = "${run}/containerd-state"
[grpc]
  address = "${containerdSocket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "${run}/cni"
`;
}

function podNetwork(): object {
  const ipam = { type: 'host-local', ranges: [[{ subnet: POD_RANGE }]], routes: [{ dst: '0.0.0.0/0' }] };
  return {
    cniVersion: '0.4.0',
    name: 'pods',
    plugins: [
      { type: 'bridge', bridge: BRIDGE, isGateway: true, hairpinMode: true, ipam },
      { type: 'portmap', capabilities: { portMappings: true } },
    ],
  };
}

function dnsSettings({ kubeconfig }: ClusterFolders): string {
  return `.:53 {
  bind ${BRIDGE_ADDRESS}
  errors
  kubernetes ${DNS_DOMAIN} in-addr.arpa {
    kubeconfig ${kubeconfig}
    pods insecure
  }
}
`;
}

/** The node is also somebody's machine: it evicts for want of memory alone, and never deletes images, since none could be fetched again. */
function kubeletSettings({ run, containerdSocket }: ClusterFolders): object {
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    address: BRIDGE_ADDRESS,
    authentication: { anonymous: { enabled: true }, webhook: { enabled: false } },
    authorization: { mode: 'AlwaysAllow' },
    cgroupDriver: 'cgroupfs',
    failSwapOn: false,
    containerRuntimeEndpoint: `unix://${containerdSocket}`,
    enforceNodeAllocatable: [],
    evictionHard: { 'memory.available': '100Mi' },
    imageGCHighThresholdPercent: 100,
    localStorageCapacityIsolation: false,
    podLogsDir: join(run, 'logs', 'pods'),
    clusterDNS: [BRIDGE_ADDRESS],
    clusterDomain: DNS_DOMAIN,
    healthzBindAddress: '127.0.0.1',
  };
}
