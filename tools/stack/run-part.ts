import { spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import { StartError } from '@tpc/platform';
import type { StackPart } from './part.ts';
import { forgetProcess, isAlive, livingProcess, type ProcessRecord, signalProcess, writeRecord } from './process-file.ts';
import { HOST, logFile, type StackSettings } from './settings.ts';
import { untilAnswers } from './wait.ts';

/** How long a program may take to answer after its start, milliseconds. A JVM on a busy machine needs half a minute. */
const START_WITHIN_MS = 120_000;
const KILL_WITHIN_MS = 10_000;
/** How much of a log is shown when its program did not start, lines. */
const LAST_LINES = 8;

/** Starts, finds and stops the process of one part. */
export class PartProcess {
  readonly part: StackPart;
  readonly #pidFile: string;
  readonly #log: string;

  constructor(part: StackPart, settings: Pick<StackSettings, 'STACK_DIR'>) {
    this.part = part;
    this.#pidFile = join(resolve(settings.STACK_DIR), 'run', `${part.name}.json`);
    this.#log = logFile(settings, part.name);
  }

  get record(): ProcessRecord | undefined {
    return livingProcess(this.#pidFile);
  }

  /**
   * Starts it unless it runs, waits until it answers and holds what the services need.
   * @returns whether it was started now
   * @throws StartError with a line that names the port, or the log
   */
  async start(): Promise<boolean> {
    const running = this.record;
    const record = running ?? (await this.#spawn());
    const ended = () => (isAlive(record) ? undefined : new StartError(`${this.part.title} ended at its start; ${this.#logWords()}`));
    try {
      await untilAnswers(() => this.part.probe(), START_WITHIN_MS, ended);
      await this.part.prepare?.();
    } catch (cause) {
      if (cause instanceof StartError) throw cause;
      throw new StartError(`${this.part.title} does not answer: ${(cause as Error).message}; ${this.#logWords()}`, { cause });
    }
    return running === undefined;
  }

  /**
   * Asks it to leave, and kills it when it does not.
   * @returns whether it ran
   */
  async stop(): Promise<boolean> {
    const { record } = this;
    if (record) {
      signalProcess(record, 'SIGTERM');
      await ended(record, this.part.stopWithinMs).catch(() => this.#kill(record));
    }
    forgetProcess(this.#pidFile);
    return record !== undefined;
  }

  /** Ends it at once, as a crash would. */
  async kill(): Promise<void> {
    const { record } = this;
    if (record) await this.#kill(record);
  }

  async #kill(record: ProcessRecord): Promise<void> {
    signalProcess(record, 'SIGKILL');
    await ended(record, KILL_WITHIN_MS);
  }

  async #spawn(): Promise<ProcessRecord> {
    for (const { port, setting } of this.part.ports) await assertFree(port, setting, this.part.title);
    const { file, args, env, cwd } = await this.part.command();
    mkdirSync(dirname(this.#log), { recursive: true });
    const log = openSync(this.#log, 'a');
    const child = spawn(file, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', log, log], detached: true });
    closeSync(log);
    const failed = new Promise<never>((_, reject) => child.once('error', reject));
    failed.catch(() => undefined);
    if (child.pid === undefined) {
      await failed.catch((cause: Error) => {
        throw new StartError(`${this.part.title} cannot be started: ${cause.message}`, { cause });
      });
    }
    writeRecord(
      this.#pidFile,
      child.pid as number,
      this.part.ports.map(({ port }) => port),
    );
    child.unref();
    const record = this.record;
    if (!record) throw new StartError(`${this.part.title} ended at its start; ${this.#logWords()}`);
    return record;
  }

  #logWords(): string {
    const lines = existsSync(this.#log) ? readFileSync(this.#log, 'utf8').trimEnd().split('\n').slice(-LAST_LINES) : [];
    return [`its log, ${this.#log}, ends with:`, ...lines].join('\n  ');
  }
}

async function ended(record: ProcessRecord, withinMs: number): Promise<void> {
  await untilAnswers(async () => {
    if (isAlive(record)) throw new Error(`process ${record.pid} does not end`);
  }, withinMs);
}

/** @throws StartError that names the setting, when another program has the port */
async function assertFree(port: number, setting: string, title: string): Promise<void> {
  await new Promise<void>((free, reject) => {
    const server = createServer();
    server.once('error', (cause: Error & { code?: string }) => {
      const why = cause.code === 'EADDRINUSE' ? 'is taken by another program' : `cannot be had (${cause.message})`;
      reject(new StartError(`${title}: port ${port} ${why}; set ${setting} to a free one`, { cause }));
    });
    server.listen(port, HOST, () => server.close(() => free()));
  });
}
