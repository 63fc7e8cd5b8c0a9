import { spawnSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

function stack(args: string[], env: Record<string, string> = {}) {
  const node = ['--conditions=tpc-source', '--disable-warning=ExperimentalWarning', 'scripts/stack.ts', ...args];
  return spawnSync(process.execPath, node, {
    env: { ...process.env, STACK_DIR: mkdtempSync(join(tmpdir(), 'tpc-stack-cli-')), ...env },
    encoding: 'utf8',
  });
}

describe('npm run stack', () => {
  it('explains itself', () => {
    const { status, stdout } = stack(['--help']);
    expect(status).toBe(0);
    for (const word of ['up', 'down --wipe', 'status', 'STACK_DIR', 'STACK_MYSQL_PORT', 'STACK_BROKER_PORT']) expect(stdout).toContain(word);
  });

  it.each([
    [['sideways'], {}, 'stack: unknown command sideways: up, down or status'],
    [['up', '--wipe'], {}, 'stack: --wipe belongs to down'],
    [['up', 'down'], {}, 'stack: one command at a time; there is down as well'],
    [['up'], { STACK_MYSQL_PORT: 'x' }, 'stack: bad setting: STACK_MYSQL_PORT="x": expected a whole number, 1024 to 65535'],
  ])('%j with %j is told in one line', (args, env, line) => {
    const { status, stderr } = stack(args, env as unknown as Record<string, string>);
    expect([status, stderr]).toEqual([1, `${line}\n`]);
  });

  it('shows what is down, and a down of nothing is fine', () => {
    const { status, stdout } = stack(['status']);
    expect(status).toBe(1);
    expect(
      stdout
        .trim()
        .split('\n')
        .map((line) => line.split(/\s+/).at(-1)),
    ).toEqual(['down', 'down', 'down', 'down', 'down']);
    expect(stack(['down', '--wipe']).status).toBe(0);
  });
});
