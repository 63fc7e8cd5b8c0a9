/** Docker where it is (the client alone builds nothing), else buildah, which needs no daemon. Both build the same Dockerfiles. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { findProgram, installByApt, runQuietly } from '../stack/install.ts';
import type { Progress } from '../stack/progress.ts';
import { ROOT } from './catalogue.ts';

export type Build = {
  /** Name and tag. */
  reference: string;
  context: string;
  target?: string | undefined;
  args: Readonly<Record<string, string>>;
  extraContexts: Readonly<Record<string, string>>;
};

export interface Builder {
  readonly name: 'docker' | 'buildah';
  build(build: Build): Promise<void>;
  /** Whether an image is here, or can be fetched from its registry. */
  has(reference: string): Promise<boolean>;
  /** Writes an image to a file as `docker save` does, under docker.io/library. */
  save(reference: string, file: string): Promise<void>;
}

/** @throws StartError where there is neither, and buildah cannot be installed */
export async function findBuilder(progress: Progress): Promise<Builder> {
  if (findProgram('docker') && (await works('docker', ['buildx', 'ls']))) return docker;
  if (!findProgram('buildah')) await installByApt(['buildah'], progress, 'use Docker');
  return buildah();
}

const docker: Builder = {
  name: 'docker',
  build: (build) => runQuietly('docker', ['buildx', 'build', '--load', ...buildArguments(build)], `docker cannot build ${build.reference}`),
  has: (reference) => works('docker', ['pull', '--quiet', reference]),
  save: (reference, file) => runQuietly('docker', ['save', '--output', file, reference], `docker cannot save ${reference}`),
};

/** A store of its own below .cache, and chroot for its steps: it then needs root and nothing else of the machine. */
export function buildah(): Builder & { run(...args: string[]): Promise<void> } {
  const store = join(ROOT, '.cache', 'images');
  mkdirSync(store, { recursive: true });
  const own = ['--root', join(store, 'store'), '--runroot', join(store, 'run'), '--storage-driver', 'overlay'];
  const run = (failure: string, ...args: string[]) => runQuietly('buildah', [...own, ...args], failure);
  return {
    name: 'buildah',
    run: (...args) => run(`buildah ${args[0]} failed`, ...args),
    build: (build) =>
      run(`buildah cannot build ${build.reference}`, 'build', '--isolation', 'chroot', '--layers', '--format', 'docker', ...buildArguments(build)),
    has: (reference) => works('buildah', [...own, 'pull', '--quiet', '--policy', 'missing', '--retry', '0', reference]),
    save: (reference, file) =>
      run(`buildah cannot save ${reference}`, 'push', '--quiet', reference, `docker-archive:${file}:${qualified(reference)}`),
  };
}

/** The name that Docker and Kubernetes mean by a short one. */
export function qualified(reference: string): string {
  return reference.includes('/') ? reference : `docker.io/library/${reference}`;
}

function buildArguments({ reference, context, target, args, extraContexts }: Build): string[] {
  return [
    ...Object.entries(args).flatMap(([name, value]) => ['--build-arg', `${name}=${value}`]),
    ...Object.entries(extraContexts).flatMap(([name, folder]) => ['--build-context', `${name}=${folder}`]),
    ...(target ? ['--target', target] : []),
    '--tag',
    reference,
    context,
  ];
}

function works(file: string, args: readonly string[]): Promise<boolean> {
  return runQuietly(file, args, '').then(
    () => true,
    () => false,
  );
}
