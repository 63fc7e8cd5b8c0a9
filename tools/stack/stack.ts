/** The stack as tests and commands use it: real MariaDB, Redis, RocketMQ and a mail catcher as ordinary processes on loopback. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { stopAll } from '@tpc/platform';
import { lockFolder } from '../../scripts/lib/lock-folder.ts';
import { serviceAddresses } from './addresses.ts';
import { installJaeger, installMissing } from './install.ts';
import { jaegerPart } from './jaeger.ts';
import { mailPart } from './mail.ts';
import { mariadbPart } from './mariadb.ts';
import type { Progress } from './progress.ts';
import { redisPart } from './redis.ts';
import { brokerPart, nameServerPart } from './rocketmq/parts.ts';
import { PartProcess } from './run-part.ts';
import { HOST, type StackSettings } from './settings.ts';

export type PartStatus = { name: string; title: string; address: string; pid: number | undefined; state: 'up' | 'does not answer' | 'down' };

export class Stack {
  readonly settings: StackSettings;
  readonly #folder: string;
  readonly #parts: readonly PartProcess[];
  readonly #tracing: boolean;

  constructor(settings: StackSettings) {
    this.settings = settings;
    this.#folder = resolve(settings.STACK_DIR);
    const parts = [mariadbPart(settings), redisPart(settings), mailPart(settings), nameServerPart(settings), brokerPart(settings)];
    const jaeger = new PartProcess(jaegerPart(settings), settings);
    // One that runs belongs to the stack, also where nobody asks for it again.
    this.#tracing = settings.STACK_TRACING || jaeger.record !== undefined;
    this.#parts = [...parts.map((part) => new PartProcess(part, settings)), ...(this.#tracing ? [jaeger] : [])];
  }

  /** What the services' settings are on this stack. */
  get addresses(): Readonly<Record<string, string>> {
    return serviceAddresses(this.settings, this.#tracing);
  }

  /** File with the addresses, in the form of a shell's settings. */
  get addressFile(): string {
    return join(this.#folder, 'stack.env');
  }

  /**
   * Installs what is missing, starts what does not run, and waits until everything answers.
   * @throws StartError with a line that names what is wrong; what runs by then goes on running
   */
  async up(progress: Progress): Promise<void> {
    mkdirSync(this.#folder, { recursive: true });
    const lock = lockFolder(this.#folder, 'STACK_DIR');
    try {
      await installMissing(progress);
      if (this.#tracing) await installJaeger(progress);
      await this.#startAll(progress);
      const lines = Object.entries(this.addresses).map(([name, value]) => `${name}=${value}\n`);
      writeFileSync(this.addressFile, lines.join(''));
    } finally {
      await lock.stop();
    }
  }

  /**
   * Stops what this stack started.
   * @param wipe whether the state goes as well
   */
  async down(progress: Progress, wipe = false): Promise<void> {
    mkdirSync(this.#folder, { recursive: true });
    const lock = lockFolder(this.#folder, 'STACK_DIR');
    try {
      for (const { part, stop } of [...this.#parts].reverse().map((each) => ({ part: each.part, stop: () => each.stop() }))) {
        progress.say(`${part.title}: ${(await stop()) ? 'stopped' : 'did not run'}`);
      }
      if (wipe) for (const name of ['state', 'logs', 'stack.env']) rmSync(join(this.#folder, name), { recursive: true, force: true });
    } finally {
      await lock.stop();
    }
  }

  async status(): Promise<PartStatus[]> {
    return Promise.all(
      this.#parts.map(async ({ part, record }) => {
        const state = await part.probe().then(
          () => 'up' as const,
          () => 'does not answer' as const,
        );
        const address = `${HOST}:${(record?.ports ?? part.ports.map(({ port }) => port)).slice(0, part.name === 'mail' ? 2 : 1).join(', ')}`;
        return { name: part.name, title: part.title, address, pid: record?.pid, state: record ? state : 'down' };
      }),
    );
  }

  /** One part, to be killed and started again. */
  part(name: 'mariadb' | 'redis' | 'mail' | 'name-server' | 'broker' | 'jaeger'): PartProcess {
    return this.#parts.find(({ part }) => part.name === name) as PartProcess;
  }

  /** Those that wait for nobody at once, the others when theirs answer. The first failure is told when all have ended. */
  async #startAll(progress: Progress): Promise<void> {
    const started = new Map<string, Promise<void>>();
    for (const process of this.#parts) {
      const { name, title, ports, after } = process.part;
      const start = async () => {
        await Promise.all(after.map((other) => started.get(other)));
        const began = performance.now();
        const isNew = await process.start();
        progress.say(`${title.padEnd(26)} ${HOST}:${ports[0]?.port}  ${isNew ? `up after ${seconds(began)}` : 'runs already'}`);
      };
      started.set(name, start());
    }
    await stopAll([...started.values()].map((starting) => ({ stop: () => starting })));
  }
}

function seconds(since: number): string {
  return `${((performance.now() - since) / 1000).toFixed(1)} s`;
}
