/**
 * npm run test:mutants: breaks the pure rules in every small way that Stryker knows, one at a time, and looks whether a test beside them fails. Which files
 * are mutated stands in stryker.config.json; CONTRIBUTING.md says how to read the result. It takes long, so CI does not run it.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { StartError } from '@tpc/platform';
import { parseArguments } from './lib/parse-arguments.ts';

/** Of earlier runs; stryker.config.json names it, too. */
const RESULTS = '.cache/mutants/incremental.json';

const HELP = `npm run test:mutants -- [path …]

Mutates the pure rules and runs the tests beside them against each mutant: all files that stryker.config.json names, or those at the paths
(files or folders, for example services/tpc/src/domain). Results of earlier runs are used again where neither the code nor its tests have changed.

  --force          runs every mutant of these files again
  --concurrency N  mutants at a time; default: 1

Survivors are listed at the end. The whole report: test-results/mutants/index.html, and mutants.json beside it.`;

try {
  main();
} catch (error) {
  process.stderr.write(`mutants: ${error instanceof StartError ? error.message : error instanceof Error ? error.stack : String(error)}\n`);
  process.exitCode = 1;
}

function main(): void {
  const { values, positionals } = readArguments();
  if (values.help) {
    console.log(HELP);
    return;
  }
  const files = filesAt(positionals);
  console.log(`mutants: ${files.length} ${files.length === 1 ? 'file' : 'files'}`);
  forgetSurvivors();
  const progress = process.stdout.isTTY ? 'progress' : 'progress-append-only';
  const chosen = ['--mutate', files.join(), '--reporters', `${progress},clear-text,html,json`, '--concurrency', values.concurrency];
  const result = spawnSync('stryker', ['run', ...chosen, ...(values.force ? ['--force'] : [])], { stdio: 'inherit' });
  process.exitCode = result.status ?? 1;
}

/**
 * So that survivors always run again, and so do mutants that no test ran through: of constants at the top of a file Stryker does not know which tests run
 * through them, and would not look at new ones.
 */
function forgetSurvivors(): void {
  if (!existsSync(RESULTS)) return;
  const results = JSON.parse(readFileSync(RESULTS, 'utf8')) as { files: Record<string, { mutants: { status: string }[] }> };
  for (const file of Object.values(results.files)) file.mutants = file.mutants.filter(({ status }) => status === 'Killed' || status === 'Timeout');
  writeFileSync(RESULTS, JSON.stringify(results));
}

/** Of the files that are mutated, those at these paths; without paths all of them. */
function filesAt(paths: readonly string[]): string[] {
  const { mutate } = JSON.parse(readFileSync('stryker.config.json', 'utf8')) as { mutate: string[] };
  const exclude = mutate.filter((glob) => glob.startsWith('!')).map((glob) => glob.slice(1));
  const files = globSync(
    mutate.filter((glob) => !glob.startsWith('!')),
    { exclude },
  );
  const chosen = paths.map((path) => {
    const wanted = join(path);
    const found = files.filter((file) => file === wanted || file.startsWith(join(wanted, '/')));
    if (found.length === 0) throw new StartError(`${path} holds no file that is mutated: stryker.config.json names them`);
    return found;
  });
  return [...new Set(paths.length === 0 ? files : chosen.flat())].sort();
}

function readArguments() {
  const options = {
    help: { type: 'boolean', short: 'h' },
    force: { type: 'boolean' },
    concurrency: { type: 'string', default: '1' },
  } as const;
  return parseArguments({ options, allowPositionals: true });
}
