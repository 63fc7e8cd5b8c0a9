import { spawn } from 'node:child_process';

/** One command of a page with the output that the page shows for it. */
export type Step = {
  /** Line of the page on which the command begins, from 1. */
  line: number;
  /** What stands after `sh` on its fence: which of several servers it is for; else empty. */
  variant: string;
  command: string;
  output: string;
};

/**
 * Reads a page whose fenced blocks are commands (```sh), each followed by its output (```text).
 * @throws Error naming the line of a block that has no partner or another kind
 */
export function stepsOf(page: string): Step[] {
  const blocks = [...page.matchAll(/^```(.*)\n([\s\S]*?)^```$/gm)].map(([whole, fence, content], index) => {
    const line = page.slice(0, page.indexOf(whole)).split('\n').length + 1;
    const [kind = '', variant = ''] = (fence as string).split(' ');
    const wanted = index % 2 === 0 ? 'sh' : 'text';
    if (kind !== wanted) throw new Error(`line ${line - 1}: the block \`\`\`${fence} stands where one \`\`\`${wanted} must be`);
    return { line, variant, content: content as string };
  });
  if (blocks.length % 2 !== 0) throw new Error('the last command has no output');
  return blocks.flatMap(({ line, variant, content }, index) =>
    index % 2 === 0 ? [{ line, variant, command: content, output: (blocks[index + 1] as { content: string }).content }] : [],
  );
}

export type Ran = { output: string; exitCode: number | null };

/** Runs a command by the shell, as a person does; answers with all that a terminal would show. */
export function runInShell(command: string, options: { env: NodeJS.ProcessEnv; cwd: string; timeoutMs: number }): Promise<Ran> {
  const shell = spawn('sh', ['-c', command], { ...options, stdio: ['ignore', 'pipe', 'pipe'], timeout: options.timeoutMs });
  let output = '';
  for (const stream of [shell.stdout, shell.stderr]) {
    stream.on('data', (chunk) => {
      output += chunk;
    });
  }
  return new Promise((done, failed) => {
    shell.once('error', failed);
    shell.once('close', (exitCode) => done({ output, exitCode }));
  });
}

/** Puts tabs into spaces, as a terminal shows them, and takes away what cannot be seen: spaces at the ends of lines, empty lines at the end. */
export function asShown(output: string): string {
  const lines = output.split('\n').map((line) => {
    let shown = '';
    for (const char of line) shown += char === '\t' ? ' '.repeat(8 - (shown.length % 8)) : char;
    return shown.trimEnd();
  });
  return `${lines.join('\n').trimEnd()}\n`;
}

/** Puts words in place of what differs from run to run: times and page tokens. */
export function normalised(output: string): string {
  return output.replace(/"\d{4}-\d\d-\d\dT[\d:.]+Z"/g, '"<time>"').replace(/("nextPageToken": )"[\w-]+"/g, '$1"<token>"');
}
