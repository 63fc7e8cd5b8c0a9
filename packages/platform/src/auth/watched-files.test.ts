import { mkdtempSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createLog } from '../log/log.ts';
import { watchFiles } from './watched-files.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tpc-watched-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const log = createLog({ service: 'test', level: 'silent', format: 'json' });
const open = (path: string, seen: number[]) =>
  watchFiles({
    files: [{ setting: 'X_FILE', path }],
    parse: ([text]) => {
      if (Number.isNaN(Number(text))) throw new Error('no number');
      return Number(text);
    },
    onChange: (value) => void seen.push(value),
    log,
  });

it('tells a new content once, also behind a link, and keeps the old one while the file is gone or bad', () => {
  const [first, second, link] = ['1', '2', 'link'].map((name) => join(dir, name)) as [string, string, string];
  writeFileSync(first, '1');
  writeFileSync(second, '2');
  symlinkSync(first, link);
  const seen: number[] = [];
  const files = open(link, seen);
  expect(files.first).toBe(1);
  files.check();
  unlinkSync(link);
  files.check();
  symlinkSync(second, link);
  files.check();
  files.check();
  writeFileSync(second, 'x');
  files.check();
  writeFileSync(second, '3');
  files.check();
  expect(seen).toEqual([2, 3]);
});

it('names the setting when the file cannot be used at the start', () => {
  expect(() => open(join(dir, 'none'), [])).toThrow(/^X_FILE: cannot read .*none: ENOENT$/);
  writeFileSync(join(dir, 'bad'), 'x');
  expect(() => open(join(dir, 'bad'), [])).toThrow('X_FILE: no number');
});
