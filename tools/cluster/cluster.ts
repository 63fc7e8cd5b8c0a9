/** A real Kubernetes on one Linux machine, without Docker and without a registry: its processes are ordinary children of this project. */
import { mkdirSync, rmSync } from 'node:fs';
import { stopAll } from '@tpc/platform';
import { lockFolder } from '../../scripts/lib/lock-folder.ts';
import type { Progress } from '../stack/progress.ts';
import { PartProcess } from '../stack/run-part.ts';
import { endContainers, killPod, loadImage, loadPause, unmountBelow } from './containers.ts';
import { writeFiles } from './files.ts';
import { makeBridge, removeNetwork } from './network.ts';
import { clusterParts } from './parts.ts';
import { installPrograms } from './programs.ts';
import { type ClusterFolders, type ClusterSettings, clusterFolders } from './settings.ts';
import { provideVolumes } from './volumes.ts';

export class Cluster {
  readonly folders: ClusterFolders;
  readonly #settings: ClusterSettings;

  constructor(settings: ClusterSettings) {
    this.#settings = settings;
    this.folders = clusterFolders(settings);
  }

  /** File for KUBECONFIG. */
  get kubeconfig(): string {
    return this.folders.kubeconfig;
  }

  /**
   * Installs and builds what is missing, starts what does not run, and waits until the node is ready.
   * @returns whether anything was started now
   * @throws StartError with a line that names what is wrong; what runs by then goes on running
   */
  async up(progress: Progress): Promise<boolean> {
    return this.#alone(async () => {
      await installPrograms(this.folders, progress);
      makeBridge();
      writeFiles(this.folders);
      const started = await this.#startAll(progress);
      provideVolumes(this.folders);
      return started;
    });
  }

  /**
   * Stops all of it, containers and all.
   * @param wipe whether the state goes as well; the programs stay
   */
  async down(progress: Progress, wipe = false): Promise<void> {
    await this.#alone(async () => {
      const parts = this.#parts();
      const stop = async (name: string) => void (await parts.get(name)?.stop());
      await stop('kubelet');
      await endContainers(this.folders);
      await stopAll([...parts.keys()].reverse().map((name) => ({ stop: () => stop(name) })));
      removeNetwork(this.folders);
      await unmountBelow(this.folders.run);
      if (wipe) rmSync(this.folders.run, { recursive: true, force: true });
      progress.say(`stopped${wipe ? ', and its state removed' : ''}`);
    });
  }

  /** Whether its API server runs. */
  get runs(): boolean {
    return this.#parts().get('kube-apiserver')?.record !== undefined;
  }

  /** Makes sure that claims of volumes find empty ones. */
  provideVolumes(): void {
    provideVolumes(this.folders);
  }

  /**
   * What a node's power failure does to a pod: the kubelet stands still and the pod's processes are gone, without a signal that they could act on.
   * @param untilBack what happens while the node is away; then it comes back
   */
  async failNode(pod: string, untilBack: () => Promise<void>): Promise<void> {
    const kubelet = this.#parts().get('kubelet') as PartProcess;
    await kubelet.kill();
    await killPod(this.folders, pod);
    await untilBack();
    await kubelet.start();
  }

  /** Loads an image from a file as `docker save` writes it. */
  load(file: string): Promise<void> {
    return loadImage(this.folders, file);
  }

  status(): { title: string; pid: number | undefined }[] {
    return [...this.#parts().values()].map(({ part, record }) => ({ title: part.title, pid: record?.pid }));
  }

  async #startAll(progress: Progress): Promise<boolean> {
    let started = false;
    for (const [name, process] of this.#parts()) {
      const began = performance.now();
      const isNew = await process.start();
      if (name === 'containerd') await loadPause(this.folders);
      progress.say(`${process.part.title.padEnd(20)} ${isNew ? `up after ${((performance.now() - began) / 1000).toFixed(1)} s` : 'runs already'}`);
      started ||= isNew;
    }
    return started;
  }

  #parts(): Map<string, PartProcess> {
    const parts = clusterParts(this.folders, this.#settings);
    return new Map(parts.map((part) => [part.name, new PartProcess(part, { STACK_DIR: this.folders.run })]));
  }

  async #alone<T>(work: () => Promise<T>): Promise<T> {
    mkdirSync(this.folders.root, { recursive: true });
    const lock = lockFolder(this.folders.root, 'CLUSTER_DIR');
    try {
      return await work();
    } finally {
      await lock.stop();
    }
  }
}
