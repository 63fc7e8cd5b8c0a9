import { defineConfig } from 'vitest/config';

const conditions = ['tpc-source', 'node', 'import', 'module', 'default'];

/** Tests that start whole products: one file at a time, after the others, so that they have the machine for themselves. */
const WHOLE = ['test/browser/**/*.test.ts', 'test/faults/**/*.test.ts', 'test/polyglot/**/*.test.ts'];

/** Tests on the real MariaDB, Redis and RocketMQ: last, one file at a time. */
const REAL = ['test/real/**/*.test.ts'];

/** Tests on a real Kubernetes: npm run test:k8s. */
const CLUSTER = ['test/k8s/**/*.test.ts'];

const shared = {
  exclude: ['**/node_modules/**', '**/dist/**'],
  pool: 'forks' as const,
  execArgv: ['--conditions=tpc-source', '--disable-warning=ExperimentalWarning'],
  testTimeout: 60_000,
  hookTimeout: 60_000,
};

/** Limits of tests on whole products are for hangs alone: RocketMQ's proxy, for one, remembers for 20 s what it did not find. */
const PATIENT = { testTimeout: 180_000, hookTimeout: 120_000 };

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    globalSetup: ['test/support/run/global-setup.ts'],
    reporters: ['default', './test/support/run/closing-line-reporter.ts'],
    maxWorkers: 2,
    projects: [
      {
        extends: true,
        test: {
          ...shared,
          name: 'parts',
          include: ['{packages,services,scripts,tools,test,examples}/**/*.test.ts'],
          exclude: [...shared.exclude, ...WHOLE, ...REAL, ...CLUSTER],
          sequence: { groupOrder: 0 },
        },
      },
      { extends: true, test: { ...shared, ...PATIENT, name: 'whole', include: WHOLE, fileParallelism: false, sequence: { groupOrder: 1 } } },
      { extends: true, test: { ...shared, ...PATIENT, name: 'real', include: REAL, fileParallelism: false, sequence: { groupOrder: 2 } } },
    ],
  },
});
