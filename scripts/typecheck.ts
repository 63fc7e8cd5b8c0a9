/** npm run typecheck. */
import { spawnSync } from 'node:child_process';

process.exitCode = spawnSync('tsc', ['-p', 'tsconfig.json'], { stdio: 'inherit' }).status ?? 1;
