/**
 * Stand-ins for the official base images, made on the spot where no registry can be reached: Debian 12 by debootstrap, and on it the Node that runs this
 * script, with npm and the official image's user.
 */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { installByApt, missingPackages, program, runQuietly } from '../stack/install.ts';
import type { Progress } from '../stack/progress.ts';
import { buildah } from './builder.ts';
import type { BaseKind } from './catalogue.ts';

const REFERENCES: Readonly<Record<BaseKind, string>> = {
  debian: 'localhost/tpc-base-debian:12',
  node: `localhost/tpc-base-node:${process.versions.node}`,
};
const CA_BUNDLE = '/etc/ssl/certs/ca-certificates.crt';
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** @returns the name of the base, which is made when it is not there yet */
export async function madeBase(kind: BaseKind, progress: Progress): Promise<string> {
  const builder = buildah();
  const reference = REFERENCES[kind];
  if (await builder.has(reference)) return reference;
  const missing = missingPackages([{ program: 'debootstrap', debian: 'debootstrap' }]);
  if (missing.length > 0) await installByApt(missing, progress, 'name a base by --base');
  await progress.step(`making ${reference}, since the official base cannot be fetched`, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tpc-base-'));
    try {
      await fillDebian(folder);
      if (kind === 'node') addNode(folder);
      await commit(builder, folder, reference, kind === 'node' ? 'node' : 'bash');
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
  return reference;
}

async function fillDebian(folder: string): Promise<void> {
  const args = ['--variant=minbase', '--include=ca-certificates', 'bookworm', folder];
  await runQuietly(program('debootstrap'), args, 'debootstrap cannot make a Debian');
  for (const name of ['var/cache/apt/archives', 'var/lib/apt/lists', 'usr/share/doc', 'usr/share/locale']) {
    for (const entry of readdirSync(join(folder, name))) rmSync(join(folder, name, entry), { recursive: true, force: true });
  }
  // Behind a proxy with certificates of its own, what this machine trusts is what reaches the registries.
  cpSync(CA_BUNDLE, join(folder, CA_BUNDLE));
}

function addNode(folder: string): void {
  const local = join(folder, 'usr/local');
  cpSync(process.execPath, join(local, 'bin/node'), { dereference: true });
  const npm = npmFolder();
  cpSync(npm, join(local, 'lib/node_modules/npm'), { recursive: true });
  writeFileSync(join(local, 'bin/npm'), '#!/bin/sh\nexec node /usr/local/lib/node_modules/npm/bin/npm-cli.js "$@"\n', { mode: 0o755 });
  mkdirSync(join(local, 'etc'), { recursive: true });
  writeFileSync(join(local, 'etc/npmrc'), `cafile=${CA_BUNDLE}\n`);
}

/** npm as it is installed here; it is plain JavaScript. */
function npmFolder(): string {
  return dirname(dirname(realpathSync(program('npm'))));
}

async function commit(builder: ReturnType<typeof buildah>, folder: string, reference: string, command: string): Promise<void> {
  const container = `making-${process.pid}`;
  await builder.run('from', '--name', container, 'scratch');
  try {
    await builder.run('add', '--quiet', container, folder, '/');
    await builder.run('config', '--env', `PATH=${PATH}`, '--cmd', `["${command}"]`, container);
    // The official image's user of the same number.
    if (command === 'node') await builder.run('run', '--isolation', 'chroot', container, 'useradd', '--uid', '1000', '--create-home', 'node');
    await builder.run('commit', '--quiet', container, reference);
  } finally {
    await builder.run('rm', container);
  }
}
