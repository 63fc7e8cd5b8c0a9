import { defineConfig } from 'vitest/config';

const conditions = ['tpc-source', 'node', 'import', 'module', 'default'];

/** npm run test:mutants: the tests that stand beside the rules. They need no server; Stryker chooses those of the mutated file. */
export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    include: [
      'services/*/src/domain/**/*.test.ts',
      'packages/client/src/**/domain/**/*.test.ts',
      'packages/client/src/**/decide-*.test.ts',
      'packages/core/src/{*,contract/**/*,tracing/**/*}.test.ts',
    ],
    // Each mutant has a new worker, so that nothing is left of another one; the files of one run share it, which is quicker.
    isolate: false,
    execArgv: ['--conditions=tpc-source', '--disable-warning=ExperimentalWarning'],
    testTimeout: 60_000,
  },
});
