/** The overlay `demo` in a namespace of the cluster, as people apply it, in variants of tag and settings. */
import { buildImages, buildRevision } from '../../../tools/images/build.ts';
import { IMAGES, JAEGER, PRODUCT } from '../../../tools/images/catalogue.ts';
import { progress, TestCluster } from './cluster.ts';
import type { Kubectl } from './kubectl.ts';
import { applyStrictly, rolledOut, type Settings, writeVariant } from './variant.ts';

export const NAMESPACE = 'tpc-demo';
/** Preparing may build Kubernetes, Jaeger, all images and their bases, beside other work. What is built stays for the next file. */
export const PREPARE_MS = 3_600_000;

export type Pod = {
  metadata: { name: string; uid: string; deletionTimestamp?: string };
  spec: { containers: { image: string }[] };
  status: { phase: string; containerStatuses?: { ready: boolean; containerID?: string }[] };
};

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
    const images = [...IMAGES, JAEGER];
    const builder = await buildImages(images, { ...options, tag: 'dev' });
    for (const { name } of images) await cluster.load(builder, `${name}:dev`);
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
    const folder = writeVariant({ overlay: 'demo', namespace: NAMESPACE, name, settings, tag });
    await applyStrictly(this.kubectl, folder);
    return folder;
  }

  /** Waits until every Deployment and StatefulSet runs its newest version, and every Job has ended well. */
  rolledOut(): Promise<void> {
    return rolledOut(this.kubectl);
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
