import { execFileSync, execSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

/** What a newcomer has after `git clone`: the files of this tree that git knows or would add, in a folder of their own. */
export function freshClone(): string {
  const folder = mkdtempSync(join(tmpdir(), 'tpc-clone-'));
  execSync(
    `git ls-files --cached --others --exclude-standard -z | tar --null --ignore-failed-read -T - -cf - 2>/dev/null | tar -xf - -C '${folder}'`,
  );
  execFileSync('git', ['init', '-q', folder]);
  return folder;
}

/** The environment of a newcomer: their own Node, not the one that runs the tests. */
export function newcomersEnvironment(): NodeJS.ProcessEnv {
  const path = (process.env.PATH ?? '')
    .split(delimiter)
    .filter((entry) => !entry.includes(join('.cache', 'node')) && !entry.endsWith(join('node_modules', '.bin')));
  const env: NodeJS.ProcessEnv = { ...process.env, PATH: path.join(delimiter) };
  for (const name of Object.keys(env))
    if (name.startsWith('npm_') || name.startsWith('VITEST') || name === 'NODE_ENV' || name === 'NODE_OPTIONS') delete env[name];
  return env;
}
