import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const folder = new URL('..', import.meta.url);
const readme = readFileSync(new URL('README.md', folder), 'utf8');

/** A fenced block of the README by the words after its fence. */
function block(fence: string): string {
  const found = new RegExp(`^\`\`\`${fence}\\n([\\s\\S]*?)^\`\`\`$`, 'm').exec(readme);
  if (found === null) throw new Error(`README.md has no block \`\`\`${fence}`);
  return found[1] as string;
}

it.each(['producer', 'consumer'])('the %s example of the README runs as it stands and prints what it says', async (name) => {
  const program = ['--conditions=tpc-source', '--no-warnings', '--input-type=module-typescript', '--eval', block(`ts ${name}`)];
  const { stdout, stderr } = await promisify(execFile)(process.execPath, program, { cwd: folder, timeout: 25_000 });
  expect(stderr).toBe('');
  expect(stdout).toBe(block(`text ${name}-output`));
});
