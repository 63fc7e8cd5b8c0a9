/** The overlay `demo` in a namespace of the cluster, as people apply it, in variants of tag and settings. */
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { buildImages, buildRevision } from '../../../scripts/images/build.ts';
import { IMAGES, PRODUCT } from '../../../scripts/images/catalogue.ts';
import { progress, TestCluster } from './cluster.ts';
import type { Kubectl } from './kubectl.ts';

export const NAMESPACE = 'tpc-demo';
const ROOT = resolve(import.meta.dirname, '../../..');
const WORK = join(ROOT, '.cache', 'k8s-test');
/** How long everything may take to become ready on two cores, JVMs and first starts of databases included. */
const READY_WITHIN = '300s';

/** Settings by service, beside those of the overlay. */
export type Settings = Partial<Record<'tpc' | 'uac' | 'opc', Record<string, string>>>;
export type Pod = {
  metadata: { name: string; uid: string; deletionTimestamp?: string };
  spec: { containers: { image: string }[] };
  status: { phase: string; containerStatuses?: { ready: boolean; containerID?: string }[] };
};
type Workload = { kind: string; metadata: { name: string } };

export class Demo {
  readonly cluster: TestCluster;
  readonly kubectl: Kubectl;

  private constructor(cluster: TestCluster) {
    this.cluster = cluster;
    this.kubectl = cluster.kubectl(NAMESPACE);
  }

  /**
   * An empty namespace, and all images in the cluster.
   * @param previous also builds the product at this git revision, with the tag `previous`
   */
  static async prepare(previous?: string): Promise<Demo> {
    const cluster = await TestCluster.find();
    const demo = new Demo(cluster);
    const options = { base: process.env.TEST_K8S_BASE, progress };
    const builder = await buildImages(IMAGES, { ...options, tag: 'dev' });
    for (const { name } of IMAGES) await cluster.load(builder, `${name}:dev`);
    if (previous) {
      await buildRevision(previous, `${PRODUCT.name}:previous`, options);
      await cluster.load(builder, `${PRODUCT.name}:previous`);
    }
    await demo.clear();
    await cluster.own?.provideVolumes();
    return demo;
  }

  /** Removes the namespace with all that is in it. A namespace of a strange cluster that was there before is its owner's. */
  async clear(): Promise<void> {
    const there = (await this.kubectl.run('get', 'namespace', NAMESPACE, '--ignore-not-found', '--output', 'name')).trim() !== '';
    if (!there) return;
    if (!this.cluster.own) throw new Error(`namespace ${NAMESPACE} exists in this cluster: kubectl delete namespace ${NAMESPACE}`);
    await this.kubectl.run('delete', 'namespace', NAMESPACE, '--timeout=120s');
  }

  async leave(): Promise<void> {
    if (process.env.TEST_K8S_KEEP === '1') return;
    await this.kubectl.run('delete', 'namespace', NAMESPACE, '--timeout=120s', '--ignore-not-found');
    await this.cluster.leave();
  }

  /** Applies the overlay with server-side strict validation. @returns the folder that was applied */
  async apply(name: string, settings: Settings = {}, tag = 'dev'): Promise<string> {
    const folder = writeVariant(name, settings, tag);
    await this.kubectl.run('apply', '--server-side', '--validate=strict', '--kustomize', folder);
    return folder;
  }

  /** Waits until every Deployment and StatefulSet runs its newest version, and every Job has ended well. */
  async rolledOut(timeout = READY_WITHIN): Promise<void> {
    const { items } = await this.kubectl.json<{ items: Workload[] }>('get', 'statefulsets,deployments,jobs');
    for (const { kind, metadata } of items) {
      const target = `${kind.toLowerCase()}/${metadata.name}`;
      if (kind === 'Job') await this.kubectl.run('wait', '--for=condition=complete', target, `--timeout=${timeout}`);
      else await this.kubectl.run('rollout', 'status', target, `--timeout=${timeout}`);
    }
  }

  /** The running pods of a workload that are not on their way out. */
  async pods(name: string): Promise<Pod[]> {
    const { items } = await this.kubectl.json<{ items: Pod[] }>('get', 'pods', '--selector', `app.kubernetes.io/name=${name}`);
    return items.filter(({ metadata, status }) => !metadata.deletionTimestamp && status.phase === 'Running');
  }

  /** The images that a workload's running pods have, each once. */
  async imagesOf(name: string): Promise<string[]> {
    return [...new Set((await this.pods(name)).flatMap(({ spec }) => spec.containers.map(({ image }) => image)))];
  }
}

/** Its image comes from a registry, and no test asks it yet. */
const JAEGER = /^ *- \.\.\/\.\.\/components\/jaeger\n/m;

/** A copy of k8s/ with this tag of the product in its overlay, and on it a layer with the settings. */
function writeVariant(name: string, settings: Settings, tag: string): string {
  const folder = join(WORK, name);
  rmSync(folder, { recursive: true, force: true });
  cpSync(join(ROOT, 'k8s'), join(folder, 'k8s'), { recursive: true });
  const overlay = join(folder, 'k8s', 'overlays', 'demo', 'kustomization.yaml');
  const text = readFileSync(overlay, 'utf8');
  const changed = text.replace(JAEGER, '').replace(/(- name: tpc\n(?:\s+newName: \S+\n)?\s+newTag: )\S+/, `$1${tag}`);
  if (!changed.includes(`newTag: ${tag}`)) throw new Error(`${overlay} names no tag of image tpc`);
  writeFileSync(overlay, changed);
  const layer = join(folder, 'layer');
  mkdirSync(layer);
  const configMapGenerator = Object.entries(settings).map(([service, values]) => ({
    name: service,
    behavior: 'merge',
    literals: Object.entries(values).map(([key, value]) => `${key}=${value}`),
  }));
  writeFileSync(
    join(layer, 'kustomization.yaml'),
    JSON.stringify({
      apiVersion: 'kustomize.config.k8s.io/v1beta1',
      kind: 'Kustomization',
      namespace: NAMESPACE,
      resources: ['../k8s/overlays/demo'],
      configMapGenerator,
    }),
  );
  return layer;
}
