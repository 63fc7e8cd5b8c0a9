/** The images of this project: the product, and what the demonstration on Kubernetes needs around it. */
import { resolve } from 'node:path';
import { installJaeger, installRocketMq } from '../stack/install.ts';
import type { Progress } from '../stack/progress.ts';

export const ROOT = resolve(import.meta.dirname, '../..');

/** What an image is made from when nothing else is said: node is the product's base, debian that of the other programs. */
export type BaseKind = 'node' | 'debian';

export type Image = {
  /** Its name without a tag, also the name by which it is built alone. */
  name: string;
  /** Folder of its files and of its Dockerfile. */
  context: string;
  base: BaseKind;
  /** The stage, where the Dockerfile has several images. */
  target?: string;
  /** Folders beside the context, by the name that the Dockerfile calls them; fetched when they are missing. */
  extraContexts?: (progress: Progress) => Promise<Readonly<Record<string, string>>>;
};

export const PRODUCT: Image = { name: 'tpc', context: ROOT, base: 'node', target: 'services' };

/** What the demonstration takes from a registry, for clusters that reach none: its build takes minutes, so it is built where it is asked for. */
export const JAEGER: Image = {
  name: 'tpc-jaeger',
  context: resolve(ROOT, 'images/jaeger'),
  base: 'debian',
  extraContexts: async (progress) => ({ jaeger: await installJaeger(progress) }),
};

export const IMAGES: readonly Image[] = [
  PRODUCT,
  { name: 'tpc-mail', context: ROOT, base: 'node', target: 'mail' },
  { name: 'tpc-mariadb', context: resolve(ROOT, 'images/mariadb'), base: 'debian' },
  { name: 'tpc-redis', context: resolve(ROOT, 'images/redis'), base: 'debian' },
  {
    name: 'tpc-rocketmq',
    context: resolve(ROOT, 'images/rocketmq'),
    base: 'debian',
    extraContexts: async (progress) => ({ jars: await installRocketMq(progress) }),
  },
];
