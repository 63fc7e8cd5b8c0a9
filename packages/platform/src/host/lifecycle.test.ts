import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, it } from 'vitest';

it('obeys a signal though the start waits for something that never comes', async () => {
  const program = join(import.meta.dirname, '../..', 'test', 'never-starts.ts');
  const child = spawn(process.execPath, ['--conditions=tpc-source', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: 30_000,
    killSignal: 'SIGKILL',
  });
  const exited = once(child, 'exit');
  await once(child.stdout, 'data');
  child.kill('SIGINT');
  // Cut off at the limit for a graceful stop it would end with code 1.
  expect(await exited).toEqual([0, null]);
});
