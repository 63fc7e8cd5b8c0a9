import { join, resolve } from 'node:path';
import { integerSetting } from '@tpc/platform';
import { z } from 'zod';

export const clusterSchema = z.object({
  CLUSTER_DIR: z.string().default('./.cache/cluster').describe('Folder of the programs, the state and the logs; made when it is not there.'),
  CLUSTER_ETCD_PORT: integerSetting(12_379, 1_024, 65_000).describe('etcd, on loopback; it also takes the port above.'),
});

export type ClusterSettings = z.output<typeof clusterSchema>;

export const KUBERNETES_VERSION = '1.34.1';
/** As CoreDNS of Kubernetes 1.34 is. */
export const COREDNS_VERSION = '1.12.4';
export const NODE_NAME = 'node1';
/** The bridge of the pods. The API server, the kubelet and the cluster's DNS listen there and nowhere else, so nothing of it is seen from outside. */
export const BRIDGE = 'tpc-pods';
export const BRIDGE_ADDRESS = '10.88.0.1';
export const POD_RANGE = '10.88.0.0/16';
export const SERVICE_RANGE = '10.96.0.0/16';
export const API_PORT = 6443;
export const DNS_DOMAIN = 'cluster.local';

/** Where everything is. */
export function clusterFolders(settings: ClusterSettings) {
  const root = resolve(settings.CLUSTER_DIR);
  const run = join(root, 'run');
  return {
    root,
    bin: join(root, 'bin'),
    sources: join(root, 'src'),
    run,
    /** One file for each process that runs. */
    processes: join(run, 'run'),
    kubeconfig: join(run, 'kubeconfig'),
    containerdSocket: join(run, 'containerd.sock'),
  };
}

export type ClusterFolders = ReturnType<typeof clusterFolders>;
