import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseAllDocuments } from 'yaml';

/** Manifests as kubectl reads them, for tests that need no cluster. */
const K8S = resolve(import.meta.dirname, '../../../k8s');

export type Container = {
  name: string;
  image: string;
  args?: string[];
  env?: { name: string; value?: string; valueFrom?: unknown }[];
  envFrom?: { configMapRef?: { name: string }; secretRef?: { name: string } }[];
  volumeMounts?: { name: string; mountPath: string; readOnly?: boolean }[];
  ports?: { name: string; containerPort: number }[];
  securityContext?: Record<string, unknown>;
  resources?: { requests?: Record<string, string>; limits?: Record<string, string> };
  lifecycle?: { preStop?: { sleep?: { seconds: number } } };
  [probe: `${string}Probe`]: { grpc?: { port: number; service?: string }; tcpSocket?: { port: number | string } };
};

export type PodSpec = {
  containers: Container[];
  initContainers?: Container[];
  volumes?: { name: string; secret?: { secretName: string; items?: { key: string }[] }; configMap?: { name: string } }[];
  securityContext?: Record<string, unknown>;
  automountServiceAccountToken?: boolean;
  terminationGracePeriodSeconds?: number;
};

export type Manifest = {
  kind: string;
  metadata: { name: string; namespace?: string; labels?: Record<string, string> };
  data?: Record<string, string>;
  spec?: Record<string, unknown> & { template?: { metadata?: { labels?: Record<string, string> }; spec: PodSpec } };
};

/** Why manifests cannot be read on this machine; undefined where they can. */
export function whyNoKubectl(): string | undefined {
  return spawnSync('kubectl', ['kustomize', '--help'], { stdio: 'ignore' }).status === 0 ? undefined : 'NOT RUN: there is no kubectl on the PATH';
}

/** Names of the folders in a folder of k8s/. */
export function foldersIn(path: string): string[] {
  return readdirSync(join(K8S, path), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);
}

/** What kubectl apply -k would apply. @throws Error with kustomize's words */
export function render(folder: string): Manifest[] {
  const text = execFileSync('kubectl', ['kustomize', folder], { encoding: 'utf8', stdio: 'pipe' });
  return parseAllDocuments(text).map((document) => document.toJS() as Manifest);
}

/** A folder of k8s/, for example `overlays/demo`. */
export const manifestsOf = (path: string): Manifest[] => render(join(K8S, path));

/** A copy of k8s/ that a test may change; taken away at its end. */
export function copyOfManifests(): { folder: string; [Symbol.dispose](): void } {
  const folder = mkdtempSync(join(tmpdir(), 'tpc-k8s-'));
  cpSync(K8S, folder, { recursive: true });
  return { folder, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
}

/** The base with one component. */
export function withComponent(name: string): Manifest[] {
  using copy = copyOfManifests();
  const folder = join(copy.folder, 'overlays', 'test');
  mkdirSync(folder);
  writeFileSync(join(folder, 'kustomization.yaml'), `resources: [../../base]\ncomponents: [../../components/${name}]\n`);
  return render(folder);
}

/** All workloads, with the pods that they make. */
export function workloadsOf(manifests: readonly Manifest[]): { manifest: Manifest; labels: Record<string, string>; pod: PodSpec }[] {
  return manifests.flatMap((manifest) => {
    const template = manifest.spec?.template;
    return template ? [{ manifest, labels: template.metadata?.labels ?? {}, pod: template.spec }] : [];
  });
}

export const containersOf = (pod: PodSpec): Container[] => [...(pod.initContainers ?? []), ...pod.containers];

export function find(manifests: readonly Manifest[], kind: string, name: string | RegExp): Manifest {
  const found = manifests.find((one) => one.kind === kind && (typeof name === 'string' ? one.metadata.name === name : name.test(one.metadata.name)));
  if (!found) throw new Error(`there is no ${kind} ${name}`);
  return found;
}
