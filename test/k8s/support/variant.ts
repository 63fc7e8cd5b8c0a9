/** Variants of an overlay, of tag and settings, and how they come into a cluster. */
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Kubectl } from './kubectl.ts';

const ROOT = resolve(import.meta.dirname, '../../..');
const WORK = join(ROOT, '.cache', 'k8s-test');
/** How long everything may take to become ready on two cores, JVMs and first starts of databases included. */
const READY_WITHIN = '300s';
/** A component of every overlay. */
const BUDGETS = '  - ../../components/disruption-budgets\n';

/** The services' metrics need no Prometheus operator; its own kind of object does. */
const WITHOUT_OPERATOR = {
  target: { kind: 'ServiceMonitor' },
  patch: '{"$patch": "delete", "apiVersion": "monitoring.coreos.com/v1", "kind": "ServiceMonitor", "metadata": {"name": "any"}}',
};
/** The same Jaeger, in an image that is built here. */
const BUILT_JAEGER = { name: 'jaegertracing/jaeger', newName: 'tpc-jaeger', newTag: 'dev' };

/** Settings by service, beside those of the overlay. */
export type Settings = Partial<Record<'tpc' | 'uac' | 'opc', Record<string, string>>>;

export type Variant = { overlay: 'demo' | 'production'; namespace: string; name: string; settings: Settings; tag: string };

/**
 * Copies k8s/, sets the product's tag in the overlay, adds metrics, and puts a layer with the settings on it.
 * @returns the layer's folder
 */
export function writeVariant({ overlay, namespace, name, settings, tag }: Variant): string {
  const folder = join(WORK, name);
  rmSync(folder, { recursive: true, force: true });
  cpSync(join(ROOT, 'k8s'), join(folder, 'k8s'), { recursive: true });
  const file = join(folder, 'k8s', 'overlays', overlay, 'kustomization.yaml');
  const image = `- name: tpc\n    newName: tpc\n    newTag: ${tag}\n`;
  const changed = readFileSync(file, 'utf8')
    .replace(BUDGETS, `${BUDGETS}  - ../../components/monitoring\n`)
    .replace(/- name: tpc\n(\s+newName: \S+\n)?\s+newTag: \S+\n/, image);
  if (!changed.includes(image)) throw new Error(`${file} names no tag of image tpc`);
  if (!changed.includes('components/monitoring')) throw new Error(`${file} has not the component after which monitoring is put`);
  writeFileSync(file, changed);
  const layer = join(folder, 'layer');
  mkdirSync(layer);
  const configMapGenerator = Object.entries(settings).map(([service, values]) => ({
    name: service,
    behavior: 'merge',
    literals: Object.entries(values).map(([key, value]) => `${key}=${value}`),
  }));
  const head = { apiVersion: 'kustomize.config.k8s.io/v1beta1', kind: 'Kustomization' };
  const resources = [`../k8s/overlays/${overlay}`];
  const content = { ...head, namespace, resources, configMapGenerator, patches: [WITHOUT_OPERATOR], images: [BUILT_JAEGER] };
  writeFileSync(join(layer, 'kustomization.yaml'), JSON.stringify(content, undefined, 2));
  return layer;
}

/** Server-side, with strict validation: an unknown field is an error. */
export async function applyStrictly(kubectl: Kubectl, folder: string): Promise<void> {
  await kubectl.run('apply', '--server-side', '--validate=strict', '--kustomize', folder);
}

type Workload = { kind: string; metadata: { name: string } };

/** Waits until every Deployment and StatefulSet of a namespace runs its newest version, and every Job has ended well. */
export async function rolledOut(kubectl: Kubectl): Promise<void> {
  const { items } = await kubectl.json<{ items: Workload[] }>('get', 'statefulsets,deployments,jobs');
  for (const { kind, metadata } of items) {
    const target = `${kind.toLowerCase()}/${metadata.name}`;
    if (kind === 'Job') await kubectl.run('wait', '--for=condition=complete', target, `--timeout=${READY_WITHIN}`);
    else await kubectl.run('rollout', 'status', target, `--timeout=${READY_WITHIN}`);
  }
}
