/** npm run bench: messages a second and latency from transaction to transaction, on the real stack, beside what its parts can do alone. */
import { execFileSync } from 'node:child_process';
import { loadConfig, StartError } from '@tpc/platform';
import { runBench } from '../bench/bench.ts';
import { type BenchOptions, HELP, readOptions } from '../bench/options.ts';
import { resultFile, writeResult } from '../bench/report/result-file.ts';
import { describeResult } from '../bench/report/table.ts';
import { GROUPS, NORMAL_TOPICS } from '../bench/settings.ts';
import { createProgress } from '../tools/stack/progress.ts';
import { stackSchema } from '../tools/stack/settings.ts';
import { Stack } from '../tools/stack/stack.ts';

// Its programs are ended with it (bench/child.ts).
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1));
try {
  const options = readOptions(process.argv.slice(2));
  if (options === undefined) console.log(HELP);
  else await main(options);
} catch (error) {
  process.stderr.write(`bench: ${error instanceof StartError ? error.message : error instanceof Error ? error.stack : String(error)}\n`);
  process.exitCode = 1;
}

async function main(options: BenchOptions): Promise<void> {
  const began = performance.now();
  const progress = createProgress((line) => console.log(`bench: ${((performance.now() - began) / 1000).toFixed(0).padStart(4)} s  ${line}`));
  const settings = loadConfig(stackSchema, process.env);
  const stack = new Stack({
    ...settings,
    STACK_TOPICS: [...settings.STACK_TOPICS, ...NORMAL_TOPICS],
    STACK_GROUPS: [...settings.STACK_GROUPS, ...GROUPS],
  });
  await stack.up(progress);
  const commit = currentCommit();
  const result = await runBench(options, stack, commit, progress);
  const files = writeResult(result, options.json ?? resultFile(commit));
  console.log(`\n${describeResult(result)}\n\nfigures: ${files.json}\nchart:   ${files.chart}`);
}

/** With + when files differ from it. */
function currentCommit(): string {
  const git = (...args: string[]) => execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  try {
    return `${git('rev-parse', '--short=10', 'HEAD')}${git('status', '--porcelain', '--untracked-files=no') === '' ? '' : '+'}`;
  } catch {
    return 'unknown'; // No git here, or no repository: an unpacked archive.
  }
}
