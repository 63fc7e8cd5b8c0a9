/** npm run format: writes the format of code and contracts. */
import { execFileSync } from 'node:child_process';

execFileSync('biome', ['check', '--write'], { stdio: 'inherit' });
execFileSync('buf', ['format', '--write', '--path', 'proto/tpc', '--path', 'proto/uac', '--path', 'proto/opc', '--path', 'proto/ops'], {
  stdio: 'inherit',
});
