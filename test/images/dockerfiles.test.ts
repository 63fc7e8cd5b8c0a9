import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { IMAGES, JAEGER, ROOT } from '../../tools/images/catalogue.ts';
import { ensureVenv } from '../support/programs/python.ts';

const hadolint = join(ensureVenv('hadolint', join(import.meta.dirname, 'requirements.txt')), 'bin', 'hadolint');
const dockerfiles = [...new Set([...IMAGES, JAEGER].map(({ context }) => relative(ROOT, join(context, 'Dockerfile'))))];

describe.each(dockerfiles)('%s', (file) => {
  it('follows the rules of hadolint', () => {
    const { stdout, stderr, status } = spawnSync(hadolint, ['--config', join(import.meta.dirname, 'hadolint.yaml'), file], {
      cwd: ROOT,
      encoding: 'utf8',
    });
    expect({ said: `${stdout}${stderr}`, status }).toEqual({ said: '', status: 0 });
  });

  it('pins its base by digest, and lets another one be named', () => {
    const [base] = /^ARG BASE=.*$/m.exec(readFileSync(join(ROOT, file), 'utf8')) ?? [];
    expect(base).toMatch(/^ARG BASE=docker\.io\/library\/(node|debian):\S+@sha256:[0-9a-f]{64}$/);
  });

  it('does not run as root', () => {
    const lines = readFileSync(join(ROOT, file), 'utf8').split('\n');
    const last = lines.findLast((line) => line.startsWith('USER '));
    expect(last).toMatch(/^USER [1-9]\d*:[1-9]\d*$/);
  });
});
