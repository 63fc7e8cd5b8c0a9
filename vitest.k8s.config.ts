import { defineConfig } from 'vitest/config';

const conditions = ['tpc-source', 'node', 'import', 'module', 'default'];

/** npm run test:k8s: one file after the other, since each has the cluster for itself; no part of npm test. */
export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    include: ['test/k8s/**/*.test.ts'],
    pool: 'forks',
    execArgv: ['--conditions=tpc-source', '--disable-warning=ExperimentalWarning'],
    fileParallelism: false,
    reporters: ['default', './test/support/run/closing-line-reporter.ts'],
  },
});
