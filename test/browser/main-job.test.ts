import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freshClone, newcomersEnvironment } from '../support/pages/fresh-clone.ts';
import { exerciseMainJob } from '../support/pages/main-job.ts';
import { Product } from '../support/product.ts';
import { until } from '../support/until.ts';

/** A newcomer's day: clone, npm start, register, mail, click, active, second mail, log in. In a real browser. */
describe('from clone to login in a real browser', () => {
  let product: Product;
  let npm: ChildProcess;
  let output = '';
  let clonedAt: number;

  beforeAll(async () => {
    clonedAt = performance.now();
    const clone = freshClone();
    product = await Product.make();
    npm = spawn('npm', ['start'], {
      cwd: clone,
      env: { ...newcomersEnvironment(), ...product.ports, DATA_DIR: mkdtempSync(join(tmpdir(), 'tpc-data-')) },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    const keep = (chunk: Buffer) => {
      output += chunk;
    };
    npm.stdout?.on('data', keep);
    npm.stderr?.on('data', keep);
    await until(
      'npm start says that it is up',
      () => output.includes('TPC is up after') || (npm.exitCode !== null ? Promise.reject(new Error(output)) : false),
      240_000,
      200,
    );
  }, 300_000);

  afterAll(() => {
    if (npm?.pid && npm.exitCode === null && npm.signalCode === null) process.kill(-npm.pid, 'SIGKILL');
  });

  exerciseMainJob({
    pictures: 'embedded',
    pages: () => product,
    onFirstMail: () => console.log(`from clone to the first mail in the inbox page: ${((performance.now() - clonedAt) / 1000).toFixed(1)} s`),
  });

  it('stops cleanly on Ctrl-C, as a terminal sends it', async () => {
    const ended = new Promise<number | null>((resolve) => npm.once('exit', (code) => resolve(code)));
    process.kill(-(npm.pid as number), 'SIGINT');
    await ended;
    expect(output).not.toContain('Error');
    await until(
      'the ports are free',
      async () =>
        fetch(product.uac).then(
          () => false,
          () => true,
        ),
      20_000,
    );
  }, 60_000);
});
