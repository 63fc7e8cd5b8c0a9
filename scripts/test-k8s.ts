/**
 * npm run test:k8s: the images and the manifests on a real cluster: the one that KUBECONFIG names, else this project's own (npm run cluster). Arguments go
 * to vitest.
 */
import { spawnSync } from 'node:child_process';

const result = spawnSync('vitest', ['run', '--config', 'vitest.k8s.config.ts', ...process.argv.slice(2)], { stdio: 'inherit' });
process.exitCode = result.status ?? 1;
