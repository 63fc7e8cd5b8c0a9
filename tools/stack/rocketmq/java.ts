import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { program, rocketmqFolder } from '../install.ts';
import type { PartCommand } from '../part.ts';
import { installFolder } from '../settings.ts';

const LOOPBACK_SOURCE = join(import.meta.dirname, 'LoopbackStartup.java');
/** What RocketMQ and LoopbackStartup reach into; newer JVMs close these to everyone. */
const OPENED = ['sun.nio.ch', 'java.nio', 'java.net', 'jdk.internal.misc', 'jdk.internal.ref'].map((name) => `java.base/${name}=ALL-UNNAMED`);

/**
 * How a class of RocketMQ is run, with all its listeners on loopback. user.home decides where it writes its logs; java.io.tmpdir where it leaves keys of
 * its own making.
 */
export function java(folder: string, flags: readonly string[], main: string, args: readonly string[]): PartCommand {
  mkdirSync(join(folder, 'tmp'), { recursive: true });
  const opened = OPENED.flatMap((each) => [`--add-exports=${each}`, `--add-opens=${each}`]);
  const own = [`-Duser.home=${folder}`, `-Djava.io.tmpdir=${join(folder, 'tmp')}`];
  const classes = `${loopbackClasses()}:${join(rocketmqFolder(), '*')}`;
  return {
    file: program('java'),
    args: [...flags, ...own, ...opened, '-cp', classes, 'LoopbackStartup', main, ...args],
    env: { ROCKETMQ_HOME: folder },
    cwd: folder,
  };
}

/** Folder with LoopbackStartup, compiled once for each of its versions. */
function loopbackClasses(): string {
  const version = createHash('sha256').update(readFileSync(LOOPBACK_SOURCE)).digest('hex').slice(0, 12);
  const folder = join(installFolder(), `loopback-${version}`);
  if (existsSync(folder)) return folder;
  const partial = `${folder}.${process.pid}`;
  const compiler = readdirSync(rocketmqFolder()).find((name) => name.startsWith('ecj-')) as string;
  const args = ['-jar', join(rocketmqFolder(), compiler), '-source', '11', '-target', '11', '-nowarn', '-d', partial, LOOPBACK_SOURCE];
  execFileSync(program('java'), args, { stdio: 'ignore' });
  if (existsSync(folder)) rmSync(partial, { recursive: true });
  else renameSync(partial, folder);
  return folder;
}
