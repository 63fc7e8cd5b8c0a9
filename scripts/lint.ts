/** npm run lint: format, lint, import rules and lengths (biome), contracts (buf), freshness of gen/, sizes of folders, dead code (knip). */
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { folderFaults } from './lib/folder-sizes.ts';

const steps: [what: string, command: string, args: string[]][] = [
  ['format, lint, import rules', 'biome', ['check', '--error-on-warnings']],
  ['contracts', 'buf', ['lint']],
  [
    'contracts: format',
    'buf',
    ['format', '--diff', '--exit-code', '--path', 'proto/tpc', '--path', 'proto/uac', '--path', 'proto/opc', '--path', 'proto/ops'],
  ],
  ['gen/ is fresh', 'node', ['scripts/gen.ts', '--check']],
  ['docs/ is fresh', 'node', ['--conditions=tpc-source', 'scripts/docs.ts', '--check']],
  ['dead code', 'knip', []],
];
const baseline = breakingBaseline();
if (baseline) steps.push(['contracts: nothing broken', 'buf', ['breaking', '--against', `.git#ref=${baseline}`]]);

/** The newest release, or none before the first. */
function breakingBaseline(): string | undefined {
  const tags = spawnSync('git', ['tag', '--list', 'v*', '--sort=-v:refname'], { encoding: 'utf8' });
  return tags.stdout?.split('\n').find(Boolean);
}

/** All files but generated ones; also those that are not committed yet. */
function ownFiles(): string[] {
  const { stdout } = spawnSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '--deduplicate'], { encoding: 'utf8' });
  return stdout.split('\n').filter((file) => existsSync(file) && !file.startsWith('gen/'));
}

let failed = 0;
for (const [what, command, args] of steps) {
  const result: SpawnSyncReturns<Buffer> = spawnSync(command, args, { stdio: 'inherit' });
  console.log(`${result.status === 0 ? 'ok  ' : 'FAIL'} ${what}`);
  if (result.status !== 0) failed++;
}
const faults = folderFaults(ownFiles());
for (const fault of faults) console.log(fault);
console.log(`${faults.length === 0 ? 'ok  ' : 'FAIL'} sizes of folders`);
if (faults.length > 0) failed++;
process.exitCode = failed === 0 ? 0 : 1;
