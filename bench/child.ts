import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Running } from '@tpc/platform';

/** Preloaded in every program, to count its statements. */
const COUNTER = `${import.meta.dirname}/programs/count-statements.ts`;
const ANSWER_WITHIN_MS = 300_000;

/** A program of the bench in a process of its own, which answers questions. */
export type Child = Running & {
  readonly pid: number;
  ask<T>(method: string, argument?: unknown): Promise<T>;
  /** Says something that is not answered. */
  tell(method: string, argument: unknown): void;
  onTold(listener: (method: string, argument: unknown) => void): void;
};

type Message = { id?: number; method?: string; argument?: unknown; result?: unknown; error?: string };

/**
 * @param profileFolder set: the program writes a CPU profile there when it ends
 * @param print takes one line of output
 */
export function startChild(
  name: string,
  file: string,
  options: { env: Readonly<Record<string, string>>; profileFolder: string | undefined; print: (line: string) => void },
): Child {
  const profile =
    options.profileFolder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${options.profileFolder}`, `--cpu-prof-name=${name}.cpuprofile`];
  const child = spawn(process.execPath, [...profile, '--conditions=tpc-source', '--disable-warning=ExperimentalWarning', '--import', COUNTER, file], {
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    serialization: 'advanced',
  });
  for (const stream of [child.stdout, child.stderr])
    if (stream) createInterface({ input: stream }).on('line', (line) => options.print(`${name} | ${line}`));
  return new Questions(name, child);
}

class Questions implements Child {
  readonly #name: string;
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  readonly #exited: Promise<void>;
  #listener: (method: string, argument: unknown) => void = () => {};
  #nextId = 1;
  readonly #serving = Promise.withResolvers<void>();

  constructor(name: string, child: ChildProcess) {
    this.#name = name;
    this.#child = child;
    child.on('message', (message: Message) => this.#take(message));
    const kill = () => child.kill('SIGKILL');
    process.once('exit', kill);
    this.#exited = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        process.off('exit', kill);
        for (const { reject } of this.#waiting.values()) reject(new Error(`${name} ended (${signal ?? code})`));
        resolve();
      });
    });
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  async ask<T>(method: string, argument?: unknown): Promise<T> {
    // Answered by what is preloaded, in programs too that answer nothing else.
    if (method !== 'counts') await Promise.race([this.#serving.promise, this.#exited]);
    const id = this.#nextId++;
    return new Promise<T>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${this.#name} did not answer ${method}`)), ANSWER_WITHIN_MS);
      const end = () => {
        clearTimeout(timer);
        this.#waiting.delete(id);
      };
      this.#waiting.set(id, {
        resolve: (value) => {
          end();
          resolve(value as T);
        },
        reject: (error) => {
          end();
          reject(error);
        },
      });
      if (this.#child.connected) this.#child.send({ id, method, argument } satisfies Message);
      else this.#waiting.get(id)?.reject(new Error(`${this.#name} has ended`));
    });
  }

  tell(method: string, argument: unknown): void {
    if (this.#child.connected) this.#child.send({ method, argument } satisfies Message);
  }

  onTold(listener: (method: string, argument: unknown) => void): void {
    this.#listener = listener;
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGTERM');
    await this.#exited;
  }

  #take({ id, method, argument, result, error }: Message): void {
    if (id === undefined) {
      if (method === 'serving') this.#serving.resolve();
      else if (method !== undefined) this.#listener(method, argument);
      return;
    }
    const waiting = this.#waiting.get(id);
    if (error === undefined) waiting?.resolve(result);
    else waiting?.reject(new Error(`${this.#name}: ${error}`));
  }
}
