import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Running } from '@tpc/platform';

/** A program of the product in a process of its own, its output line by line behind its name. */
export type ProgramRun = Running & {
  /** Rejects when it ends by itself. */
  readonly ended: Promise<never>;
};

/** @param print takes one line of output */
export function runProgram(name: string, file: string, env: Readonly<Record<string, string>>, print: (line: string) => void): ProgramRun {
  // A process group of its own: Ctrl-C in a terminal reaches this process alone, which then stops the programs in order.
  const child = spawn(process.execPath, ['--conditions=tpc-source', '--disable-warning=ExperimentalWarning', file], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  for (const stream of [child.stdout, child.stderr]) createInterface({ input: stream }).on('line', (line) => print(`${name} | ${line}`));
  const exited = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(signal ? `ended by ${signal}` : `ended with code ${code}`));
  });
  // An orphan would keep ports and leases: it goes with this process, however that ends short of a kill -9.
  const onExit = () => child.kill('SIGKILL');
  process.once('exit', onExit);
  const ended = exited.then((how): never => {
    process.off('exit', onExit);
    throw new Error(`${name} ${how}`);
  });
  ended.catch(() => undefined); // Whoever waits for it handles it; after a stop it is meant to end.
  return { ended, stop: () => stop(child, exited) };
}

async function stop(child: ChildProcess, exited: Promise<string>): Promise<void> {
  child.kill('SIGTERM'); // Its own limit ends a stop that hangs.
  await exited;
}
