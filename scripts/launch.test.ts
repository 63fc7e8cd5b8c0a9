import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

describe.skipIf(process.platform === 'win32')('the launcher', () => {
  let folder: string;

  /** A folder with the launcher, a command, and an npm that only writes down how it was called. */
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'tpc-launch-'));
    folders.push(folder);
    mkdirSync(join(folder, 'scripts'));
    copyFileSync(join(import.meta.dirname, 'launch.mjs'), join(folder, 'scripts', 'launch.mjs'));
    for (const command of ['lint', 'start']) writeFileSync(join(folder, 'scripts', `${command}.ts`), `console.log('${command} runs');`);
    writeFileSync(join(folder, 'package-lock.json'), '{}');
    writeFileSync(join(folder, 'npm'), `#!/bin/sh\necho "$@" >> ${folder}/npm.log; mkdir -p node_modules; echo > node_modules/.package-lock.json\n`, {
      mode: 0o755,
    });
  });

  const launch = (...args: string[]) => {
    const env = { ...process.env, PATH: [folder, process.env.PATH].join(delimiter) };
    return spawnSync(process.execPath, [join(folder, 'scripts', 'launch.mjs'), ...args], { encoding: 'utf8', env });
  };
  const npmCalls = () => (existsSync(join(folder, 'npm.log')) ? readFileSync(join(folder, 'npm.log'), 'utf8').trim().split('\n') : []);

  it('answers --help at once, without a package', () => {
    expect(launch('lint', '--help').stdout).toContain('npm run lint:');
    expect(npmCalls()).toEqual([]);
  });

  it('says what it fetches, beside the output of the command', () => {
    const { stdout, stderr } = launch('start');
    expect(stdout).toBe('start runs\n');
    expect(stderr).toMatch(/^tpc: installing packages, about \d+ MB, once …\ntpc: … done after \d+ s\n$/);
  });

  it('adds development tools beside the packages of a running product, and does not empty the folder', () => {
    launch('start');
    launch('lint');
    expect(npmCalls().map((call) => call.split(' ')[0])).toEqual(['ci', 'install']);
  });

  it('changes no packages under a running product', () => {
    launch('start');
    mkdirSync(join(folder, '.cache', 'running'), { recursive: true });
    writeFileSync(join(folder, '.cache', 'running', String(process.pid)), '');
    const later = new Date(Date.now() + 60_000);
    utimesSync(join(folder, 'package-lock.json'), later, later);
    const { status, stderr } = launch('start');
    expect([status, stderr]).toEqual([
      1,
      `tpc: the packages have changed, and the product runs on them (process ${process.pid}): stop it, then call this again\n`,
    ]);
    expect(npmCalls()).toHaveLength(1);
  });
});
