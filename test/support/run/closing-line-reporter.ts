import type { Reporter, TestModule } from 'vitest/node';
import { whyNoStack } from './run-folder.ts';

/**
 * Prints the last lines of a run: what was not run and why, and how many tests passed and failed. A file that could not be run counts as failed.
 */
export default class ClosingLineReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const counts = { passed: 0, failed: 0, skipped: 0, pending: 0 };
    const notRun: string[] = [];
    for (const module of modules) {
      if (module.state() === 'failed' && module.errors().length > 0) counts.failed++;
      const tests = [...module.children.allTests()];
      for (const test of tests) counts[test.result().state]++;
      const skipped = tests.filter((test) => test.result().state === 'skipped').length;
      if (module.project.name === 'real' && skipped > 0) notRun.push(`  ${module.relativeModuleId}: ${skipped} tests`);
    }
    const reason = notRun.length > 0 ? whyNoStack() : undefined;
    const lines = reason === undefined ? [] : ['', `NOT RUN, since the real stack cannot be had here: ${reason}`, ...notRun];
    process.on('exit', () => process.stdout.write([...lines, `${counts.passed} passed, ${counts.failed} failed\n`].join('\n')));
  }
}
