import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StartError } from '@tpc/platform';
import type { Progress } from '../stack/progress.ts';
import { type Builder, findBuilder } from './builder.ts';
import { type BaseKind, type Image, PRODUCT, ROOT } from './catalogue.ts';
import { madeBase } from './made-base.ts';

export type BuildOptions = {
  tag: string;
  /** A base for all of them, instead of each Dockerfile's own. */
  base?: string | undefined;
  progress: Progress;
};

/**
 * Builds images one after the other.
 * @returns the builder that has them
 */
export async function buildImages(images: readonly Image[], { tag, base, progress }: BuildOptions): Promise<Builder> {
  const builder = await findBuilder(progress);
  for (const image of images) {
    const reference = `${image.name}:${tag}`;
    const args = { ...(await baseArgument(builder, image, base, progress)), ...(image === PRODUCT ? { VERSION: tag, REVISION: revision() } : {}) };
    const extraContexts = (await image.extraContexts?.(progress)) ?? {};
    await progress.step(`building ${reference}`, () =>
      builder.build({ reference, context: image.context, target: image.target, args, extraContexts }),
    );
  }
  return builder;
}

/**
 * Builds the product as it was at a git revision, by today's Dockerfile where it had none.
 * @param reference name and tag of the image
 */
export async function buildRevision(commit: string, reference: string, { base, progress }: Omit<BuildOptions, 'tag'>): Promise<Builder> {
  const builder = await findBuilder(progress);
  const folder = mkdtempSync(join(tmpdir(), 'tpc-revision-'));
  try {
    const archive = spawnSync('git', ['archive', '--format=tar', commit], { cwd: ROOT, maxBuffer: 500_000_000 });
    if (archive.status !== 0) throw new StartError(`git has no revision ${commit}: ${archive.stderr}`);
    spawnSync('tar', ['-x', '-C', folder], { input: archive.stdout });
    for (const name of ['Dockerfile', '.dockerignore']) cpSync(join(ROOT, name), join(folder, name), { force: false });
    const args = { ...(await baseArgument(builder, PRODUCT, base, progress)), VERSION: commit, REVISION: commit };
    const { target } = PRODUCT;
    await progress.step(`building ${reference} of ${commit}`, () => builder.build({ reference, context: folder, target, args, extraContexts: {} }));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return builder;
}

/** Nothing where the Dockerfile's own base can be fetched, else one that is made here. */
async function baseArgument(builder: Builder, image: Image, base: string | undefined, progress: Progress): Promise<Record<string, string>> {
  if (base) return { BASE: base };
  if (builder.name === 'docker') return {};
  const own = defaultBase(image.context);
  return (await builder.has(own)) ? { BASE: own } : { BASE: await madeBase(image.base satisfies BaseKind, progress) };
}

function defaultBase(context: string): string {
  return /^ARG BASE=(\S+)$/m.exec(readFileSync(join(context, 'Dockerfile'), 'utf8'))?.[1] as string;
}

function revision(): string {
  return spawnSync('git', ['rev-parse', 'HEAD'], { cwd: ROOT, encoding: 'utf8' }).stdout?.trim() || 'unknown';
}
