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
    execArgv: ['--conditions=tpc-source', '--disable-warning=ExperimentalWarning'],
    testTimeout: 60_000,
  },
});
