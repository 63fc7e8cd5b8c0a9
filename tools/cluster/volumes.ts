/** Volumes of this machine's own disk, since no provisioner runs here: a default class and some empty volumes that claims can take. */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { ClusterFolders } from './settings.ts';

const CLASS = 'local';
const COUNT = 10;

type Volume = { metadata: { name: string }; status?: { phase?: string } };

/** Makes empty volumes until there are ten free ones; those whose claim is gone are removed with what they held. */
export function provideVolumes(folders: ClusterFolders): void {
  const kubectl = (args: string[], input?: string) =>
    execFileSync('kubectl', args, {
      env: { ...process.env, KUBECONFIG: folders.kubeconfig },
      encoding: 'utf8',
      stdio: ['pipe', 'pipe', 'pipe'],
      ...(input ? { input } : {}),
    });
  const { items } = JSON.parse(kubectl(['get', 'persistentvolumes', '--output', 'json'])) as { items: Volume[] };
  for (const { metadata, status } of items.filter((volume) => volume.status?.phase === 'Released' || volume.status?.phase === 'Failed')) {
    kubectl(['delete', 'persistentvolume', metadata.name]);
    rmSync(join(folders.run, 'volumes', metadata.name), { recursive: true, force: true });
    if (status) status.phase = 'gone';
  }
  const free = items.filter(({ status }) => status?.phase === 'Available').length;
  const taken = new Set(items.filter(({ status }) => status?.phase !== 'gone').map(({ metadata }) => metadata.name));
  const fresh = Array.from({ length: COUNT * 3 }, (_, number) => `disk-${number}`).filter((name) => !taken.has(name));
  const made = fresh.slice(0, Math.max(0, COUNT - free)).map((name) => volume(folders, name));
  kubectl(['apply', '--filename', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [storageClass(), ...made] }));
}

function storageClass(): object {
  const annotations = { 'storageclass.kubernetes.io/is-default-class': 'true' };
  return {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata: { name: CLASS, annotations },
    provisioner: 'kubernetes.io/no-provisioner',
    volumeBindingMode: 'WaitForFirstConsumer',
  };
}

/** Any user may write there: the ownership of a hostPath is not changed for a pod. */
function volume(folders: ClusterFolders, name: string): object {
  const path = join(folders.run, 'volumes', name);
  mkdirSync(path, { recursive: true });
  chmodSync(path, 0o777);
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name },
    spec: {
      capacity: { storage: '20Gi' },
      accessModes: ['ReadWriteOnce'],
      persistentVolumeReclaimPolicy: 'Retain',
      storageClassName: CLASS,
      hostPath: { path },
    },
  };
}
