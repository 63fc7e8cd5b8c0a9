import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '@tpc/platform';
import { installMissing } from '../../tools/stack/install.ts';
import { createProgress } from '../../tools/stack/progress.ts';
import { ensureGroup, ensureTopic } from '../../tools/stack/rocketmq/remoting.ts';
import { HOST, type StackSettings, stackSchema } from '../../tools/stack/settings.ts';
import { Stack } from '../../tools/stack/stack.ts';
import { freePort } from './free-port.ts';

export type PartName = 'mariadb' | 'redis' | 'mail' | 'name-server' | 'broker';
/** In the order in which one may need another. */
const ALL_PARTS: readonly PartName[] = ['mariadb', 'redis', 'mail', 'name-server', 'broker'];

/** A stack of real parts of one's own, on free ports and in a folder of its own, whose parts may be killed, frozen and started again. */
export class TestStack {
  readonly settings: StackSettings;
  /** The services' settings for it. */
  readonly addresses: Readonly<Record<string, string>>;
  readonly #folder: string;
  readonly #stack: Stack;
  readonly #parts: readonly PartName[];

  private constructor(folder: string, settings: StackSettings, parts: readonly PartName[]) {
    this.#folder = folder;
    this.settings = settings;
    this.#stack = new Stack(settings);
    this.addresses = this.#stack.addresses;
    this.#parts = parts;
  }

  /** Installs what is missing and starts the parts. */
  static async start(parts: readonly PartName[] = ALL_PARTS, settings: Record<string, string> = {}): Promise<TestStack> {
    const folder = mkdtempSync(join(tmpdir(), 'tpc-stack-'));
    const stack = new TestStack(folder, loadConfig(stackSchema, { STACK_DIR: folder, ...(await ports()), ...settings }), parts);
    await installMissing(createProgress((line) => console.log(`stack: ${line}`)));
    try {
      const inOrder = ALL_PARTS.filter((name) => parts.includes(name));
      const ofRocketMq: PartName[] = inOrder.filter((name) => name === 'name-server' || name === 'broker');
      const startInTurn = async () => {
        for (const name of ofRocketMq) await stack.startPart(name);
      };
      await Promise.all([startInTurn(), ...inOrder.filter((name) => !ofRocketMq.includes(name)).map((name) => stack.startPart(name))]);
    } catch (error) {
      await stack.drop();
      throw error;
    }
    return stack;
  }

  /** Address of RocketMQ's proxy. */
  get endpoints(): string {
    return `${HOST}:${this.settings.STACK_BROKER_PORT}`;
  }

  /** Starts a part that does not run, and waits until it answers. */
  async startPart(name: PartName): Promise<void> {
    await this.#stack.part(name).start();
  }

  /** kill -9, and waits until it is dead. */
  async kill(name: PartName): Promise<void> {
    await this.#stack.part(name).kill();
  }

  signal(name: PartName, signal: 'SIGSTOP' | 'SIGCONT'): void {
    const record = this.#stack.part(name).record;
    if (!record) throw new Error(`${name} does not run`);
    process.kill(record.pid, signal);
  }

  async makeTopic(topic: string): Promise<void> {
    await ensureTopic({ host: HOST, port: this.settings.STACK_STORE_PORT }, topic);
  }

  async makeGroup(group: string): Promise<void> {
    await ensureGroup({ host: HOST, port: this.settings.STACK_STORE_PORT }, group);
  }

  /** Ends all parts at once and removes their state. */
  async drop(): Promise<void> {
    await Promise.all(this.#parts.map((name) => this.kill(name)));
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

async function ports(): Promise<Record<string, string>> {
  const names = ['STACK_MYSQL_PORT', 'STACK_REDIS_PORT', 'STACK_BROKER_PORT', 'STACK_NAME_SERVER_PORT', 'STACK_SMTP_PORT', 'STACK_INBOX_PORT'];
  const singles = await Promise.all(names.map(async (name) => [name, String(await freePort())]));
  // RocketMQ's broker takes the ports around its own.
  return { ...Object.fromEntries(singles), STACK_STORE_PORT: String(await freePort([-2, 1, 2])) };
}
