/** npm run lint: format, lint and import rules (biome), contracts (buf), freshness of gen/, dead code (knip). */
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';

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

let failed = 0;
for (const [what, command, args] of steps) {
  const result: SpawnSyncReturns<Buffer> = spawnSync(command, args, { stdio: 'inherit' });
  console.log(`${result.status === 0 ? 'ok  ' : 'FAIL'} ${what}`);
  if (result.status !== 0) failed++;
}
process.exitCode = failed === 0 ? 0 : 1;
