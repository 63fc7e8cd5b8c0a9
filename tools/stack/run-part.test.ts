import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig, StartError } from '@tpc/platform';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { freePort } from '../../test/support/free-port.ts';
import type { StackPart } from './part.ts';
import { isAlive } from './process-file.ts';
import { PartProcess } from './run-part.ts';
import { stackSchema } from './settings.ts';

/** A program that listens; `fail` makes it end at its start. */
const PROGRAM = `if (process.env.FAIL) { console.log('no luck'); process.exit(3); }
require('node:http').createServer((_, answer) => answer.end('here')).listen(Number(process.env.PORT), '127.0.0.1');`;

describe('a part of the stack', () => {
  let dir: string;
  let part: StackPart;
  let started: PartProcess;
  let prepared: number;
  let env: Record<string, string>;
  const settings = () => loadConfig(stackSchema, { STACK_DIR: dir });

  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'tpc-part-'));
    const port = await freePort();
    prepared = 0;
    env = { PORT: String(port) };
    part = {
      name: 'program',
      title: 'Program',
      ports: [{ port, setting: 'STACK_PROGRAM_PORT' }],
      after: [],
      command: async () => ({ file: process.execPath, args: ['-e', PROGRAM], env, cwd: dir }),
      probe: async () => {
        await fetch(`http://127.0.0.1:${port}`);
      },
      prepare: async () => {
        prepared++;
      },
      stopWithinMs: 5_000,
    };
    started = new PartProcess(part, settings());
  });
  afterEach(() => started.kill());

  const lineOf = async (starting: Promise<unknown>) => {
    const error = await starting.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(StartError);
    return (error as StartError).message;
  };

  it('is started once, and prepared each time', async () => {
    expect(await started.start()).toBe(true);
    const { record } = started;
    expect(await new PartProcess(part, settings()).start()).toBe(false);
    expect(started.record).toEqual(record);
    expect(prepared).toBe(2);
  });

  it('is stopped by whoever finds its pid file', async () => {
    await started.start();
    const record = started.record;
    expect(await new PartProcess(part, settings()).stop()).toBe(true);
    expect(record && isAlive(record)).toBe(false);
    expect(await started.stop()).toBe(false);
  });

  it('never ends a stranger that has got its pid', async () => {
    await started.start();
    const file = join(dir, 'run', 'program.json');
    const record = JSON.parse(readFileSync(file, 'utf8')) as object;
    await started.kill();
    // Only now: start times count in hundredths of a second, and no number is given away before its process has ended.
    const stranger: ChildProcess = spawn(process.execPath, ['-e', 'setInterval(() => 0, 1000)'], { stdio: 'ignore' });
    mkdirSync(join(dir, 'run'), { recursive: true });
    writeFileSync(file, JSON.stringify({ ...record, pid: stranger.pid }));
    expect(started.record).toBeUndefined();
    expect(await started.stop()).toBe(false);
    expect(stranger.exitCode ?? stranger.signalCode).toBeNull();
    stranger.kill('SIGKILL');
  });

  it('names the setting of a port that another program has', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(part.ports[0]?.port, '127.0.0.1', resolve));
    expect(await lineOf(started.start())).toBe(
      `Program: port ${part.ports[0]?.port} is taken by another program; set STACK_PROGRAM_PORT to a free one`,
    );
    await new Promise((resolve) => other.close(resolve));
  });

  it('shows the end of its log when it ends at its start', async () => {
    env.FAIL = '1';
    expect(await lineOf(started.start())).toMatch(/Program ended at its start; its log, \S+program\.log, ends with:\n {2}no luck$/);
  });

  it('says so when its program cannot be run', async () => {
    part.command = async () => ({ file: join(dir, 'no-such-program'), args: [], cwd: dir });
    expect(await lineOf(started.start())).toMatch(/^Program cannot be started: .*ENOENT/);
  });
});
