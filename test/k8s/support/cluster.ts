/** The cluster of a run: the one that KUBECONFIG names, else this project's own (npm run cluster), which is brought up and taken down again. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '@tpc/platform';
import { Cluster } from '../../../tools/cluster/cluster.ts';
import { clusterSchema } from '../../../tools/cluster/settings.ts';
import type { Builder } from '../../../tools/images/builder.ts';
import { findProgram, runQuietly } from '../../../tools/stack/install.ts';
import { createProgress } from '../../../tools/stack/progress.ts';
import { Kubectl } from './kubectl.ts';

export const progress = createProgress((line) => console.log(`k8s: ${line}`));

export class TestCluster {
  /** Undefined where KUBECONFIG names another one. */
  readonly own: Cluster | undefined;
  readonly #startedHere: boolean;

  private constructor(own: Cluster | undefined, startedHere: boolean) {
    this.own = own;
    this.#startedHere = startedHere;
  }

  static async find(): Promise<TestCluster> {
    if (process.env.KUBECONFIG) return new TestCluster(undefined, false);
    const cluster = new Cluster(loadConfig(clusterSchema, process.env));
    return new TestCluster(cluster, await cluster.up(progress));
  }

  kubectl(namespace: string): Kubectl {
    return new Kubectl(this.own?.kubeconfig, namespace);
  }

  /** Takes the cluster down, if this run brought it up. */
  async leave(): Promise<void> {
    if (this.#startedHere) await this.own?.down(progress);
  }

  /** Brings an image from the builder's store into the cluster: its own way for kind and minikube, by TEST_K8S_LOAD for any other. */
  async load(builder: Builder, reference: string): Promise<void> {
    const folder = mkdtempSync(join(tmpdir(), 'tpc-image-'));
    const file = join(folder, 'image.tar');
    try {
      await builder.save(reference, file);
      await progress.step(`loading ${reference}`, () => this.#loadFile(file));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  async #loadFile(file: string): Promise<void> {
    if (this.own) return this.own.load(file);
    const [program, ...args] = await this.#loader();
    await runQuietly(program as string, [...args, file], `${program} cannot load an image`);
  }

  async #loader(): Promise<string[]> {
    if (process.env.TEST_K8S_LOAD) return process.env.TEST_K8S_LOAD.split(' ');
    const context = (await this.kubectl('default').run('config', 'current-context')).trim();
    if (context.startsWith('kind-') && findProgram('kind')) return ['kind', 'load', 'image-archive', '--name', context.slice('kind-'.length)];
    if (findProgram('minikube')) return ['minikube', '--profile', context, 'image', 'load'];
    throw new Error(
      'how are images loaded into this cluster? Set TEST_K8S_LOAD to a command that takes the file of docker save as its last argument',
    );
  }
}
