import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hashToken, parseTokensFile } from '@tpc/platform';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runTokens } from './lib/tokens-command.ts';

let dir: string;
let file: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tpc-tokens-'));
  file = join(dir, 'sub', 'tokens.json');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** As the command line would have it, without its second for starting. */
function tokens(...args: string[]) {
  const said = { status: 0, stdout: '', stderr: '' };
  const output = {
    print: (line: string) => {
      said.stdout += `${line}\n`;
    },
    tell: (line: string) => {
      said.stderr += `${line}\n`;
    },
  };
  try {
    runTokens(args, file, output);
  } catch (error) {
    Object.assign(said, { status: 1, stderr: `tokens: ${(error as Error).message}\n` });
  }
  return said;
}
const entries = () => parseTokensFile(readFileSync(file, 'utf8'));

describe('npm run tokens', () => {
  it('new prints the token alone, once, and keeps its hash in a file of the owner', () => {
    const { status, stdout, stderr } = tokens('new', '--producer', 'PID_UAC');
    expect([status, stdout]).toEqual([0, expect.stringMatching(/^tpc_[\w-]{43}\n$/)]);
    const token = stdout.trim();
    expect(entries()).toMatchObject([{ kind: 'producer', group: 'PID_UAC', sha256: hashToken(token).toString('hex') }]);
    expect(stderr).not.toContain(token);
    expect(readFileSync(file, 'utf8')).not.toContain(token);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readdirSync(join(dir, 'sub'))).toEqual(['tokens.json']);
  });

  it('makes consumers, operators, services and certificates, with an end where one is given', () => {
    tokens('new', '--consumer', 'CID_OPC', '--expires', '2099-01-31');
    tokens('new', '--operator', 'ada', '--role', 'viewer', '--expires', '90d');
    tokens('new', '--service', 'shop');
    expect(tokens('new', '--producer', 'PID_UAC', '--subject', 'CN=uac').stdout).toBe('');
    expect(entries()).toMatchObject([
      { kind: 'consumer', group: 'CID_OPC', expires: '2099-01-31T00:00:00.000Z' },
      { kind: 'operator', name: 'ada', role: 'viewer', expires: expect.any(String) },
      { kind: 'service', name: 'shop' },
      { kind: 'producer', group: 'PID_UAC', subject: 'CN=uac' },
    ]);
  });

  it('lists whose they are, and removes by id', () => {
    tokens('new', '--producer', 'PID_A');
    tokens('new', '--producer', 'PID_B');
    const listed = tokens('list').stdout.trim().split('\n');
    expect(listed).toEqual([expect.stringMatching(/^[0-9a-f]{12} {2}producer PID_A$/), expect.stringMatching(/^[0-9a-f]{12} {2}producer PID_B$/)]);
    expect(tokens('remove', (listed[0] as string).slice(0, 12)).status).toBe(0);
    expect(entries()).toMatchObject([{ group: 'PID_B' }]);
  });

  it.each([
    [['new'], /name one of --producer/],
    [['new', '--producer', 'A', '--consumer', 'B'], /name one of/],
    [['new', '--producer', 'A B'], /--producer: expected 1 to 64/],
    [['new', '--operator', 'ada'], /--role: expected viewer or operator/],
    [['new', '--operator', 'ada', '--role', 'root'], /--role/],
    [['new', '--producer', 'A', '--expires', 'soon'], /--expires/],
    [['new', '--producer', 'A', '--subject', 'uac'], /--subject: expected CN=/],
    [['remove', '123456789abc'], /has no entry with id/],
    [['burn'], /cannot read "burn"/],
    [['new', '--producter', 'A'], /--producter/],
  ])('%j fails with one line, and changes nothing', (args, message) => {
    const { status, stdout, stderr } = tokens(...args);
    expect([status, stdout, stderr.trim().split('\n').length]).toEqual([1, '', 1]);
    expect(stderr).toMatch(message);
    expect(tokens('list').stdout).toBe('');
  });

  it('refuses the second of two changes at once, and a file that is not right', () => {
    tokens('new', '--producer', 'PID_A');
    writeFileSync(`${file}.new`, '');
    expect(tokens('new', '--producer', 'PID_B').stderr).toContain('another change is under way');
    rmSync(`${file}.new`);
    writeFileSync(file, '{');
    expect(tokens('new', '--producer', 'PID_B').stderr).toBe(`tokens: ${file}: not JSON\n`);
    expect(readFileSync(file, 'utf8')).toBe('{');
  });

  it('on the command line: the token alone on standard output, errors as one line with exit code 1', () => {
    const command = (...args: string[]) => {
      const node = ['--conditions=tpc-source', '--disable-warning=ExperimentalWarning', 'scripts/tokens.ts', ...args];
      return spawnSync(process.execPath, node, { encoding: 'utf8', env: { ...process.env, TPC_TOKENS_FILE: file } });
    };
    expect(command('new', '--producer', 'PID_UAC').stdout).toMatch(/^tpc_[\w-]{43}\n$/);
    expect(command('burn')).toMatchObject({ status: 1, stdout: '', stderr: expect.stringMatching(/^tokens: cannot read "burn".*\n$/) });
  });

  it('--help shows every command', () => {
    expect(tokens('--help').stdout).toMatch(/new --producer[\s\S]*list[\s\S]*remove/);
  });
});
