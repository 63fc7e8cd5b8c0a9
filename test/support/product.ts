import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { credentials } from '@grpc/grpc-js';
import type { Message } from '@tpc/gen/tpc/v1/message';
import { type ListMessagesRequest, MessageAdminServiceClient } from '@tpc/gen/tpc/v1/message_admin_service';
import { START_PORTS } from '../../scripts/lib/start-ports.ts';
import type { Stack } from '../../tools/stack/stack.ts';
import { freePort } from './free-port.ts';
import { until } from './until.ts';

type Ports = Record<(typeof START_PORTS)[number], string>;

/** A mail as the inbox's Mailpit API lists it. */
export type ListedMail = { ID: string; MessageID: string; From: { Address: string }; To: { Address: string }[]; Subject: string; Created: string };

/** `npm start`'s program, or that of `npm run start:real`, in a process of its own, on free ports and with a state of its own. */
export class Product {
  readonly ports: Ports;
  readonly dataDir: string;
  readonly #env: Record<string, string>;
  readonly #script: string;
  #process: ChildProcess | undefined;
  output = '';

  private constructor(ports: Ports, dataDir: string, env: Record<string, string>, script: string) {
    this.ports = ports;
    this.dataDir = dataDir;
    this.#env = env;
    this.#script = script;
  }

  static async make(env: Record<string, string> = {}): Promise<Product> {
    const ports = Object.fromEntries(await Promise.all(START_PORTS.map(async (name) => [name, String(await freePort())]))) as Ports;
    return new Product(ports, mkdtempSync(join(tmpdir(), 'tpc-product-')), env, 'scripts/start.ts');
  }

  /** The three services on a real stack that is up. */
  static async onStack(stack: Stack, env: Record<string, string> = {}): Promise<Product> {
    const { STACK_INBOX_PORT, STACK_SMTP_PORT, STACK_BROKER_PORT } = stack.settings;
    const stackPorts = { INBOX_HTTP_PORT: STACK_INBOX_PORT, SMTP_PORT: STACK_SMTP_PORT, BROKER_GRPC_PORT: STACK_BROKER_PORT };
    const own = START_PORTS.filter((name) => !(name in stackPorts)).map(async (name) => [name, await freePort()] as const);
    const all = { ...stackPorts, ...Object.fromEntries(await Promise.all(own)) };
    const ports = Object.fromEntries(Object.entries(all).map(([name, port]) => [name, String(port)])) as Ports;
    const settings = Object.fromEntries(Object.entries(stack.settings).map(([name, value]) => [name, String(value)]));
    return new Product(ports, stack.settings.STACK_DIR, { ...settings, ...env }, 'scripts/real.ts');
  }

  get uac(): string {
    return `http://127.0.0.1:${this.ports.UAC_HTTP_PORT}`;
  }

  get inbox(): string {
    return `http://127.0.0.1:${this.ports.INBOX_HTTP_PORT}`;
  }

  get tpc(): string {
    return `127.0.0.1:${this.ports.TPC_GRPC_PORT}`;
  }

  get exited(): boolean {
    return !this.#process || this.#process.exitCode !== null || this.#process.signalCode !== null;
  }

  /** Starts the process and waits until it says that it is up. */
  async start(): Promise<void> {
    this.launch();
    await until(
      'the product is up',
      () => this.output.includes('TPC is up after') || (this.exited ? Promise.reject(new Error(this.output)) : false),
      60_000,
    );
  }

  /** Starts the process and does not wait. */
  launch(): void {
    this.output = '';
    const child = spawn(process.execPath, ['--conditions=tpc-source', '--disable-warning=ExperimentalWarning', this.#script], {
      // Crowds come from one ip here.
      env: { ...process.env, LOG_LEVEL: 'warn', LOG_FORMAT: 'json', UAC_REGISTER_PER_IP: '0', ...this.#env, ...this.ports, DATA_DIR: this.dataDir },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.stdout.on('data', (chunk) => {
      this.output += chunk;
    });
    child.stderr.on('data', (chunk) => {
      this.output += chunk;
    });
    this.#process = child;
  }

  /** Sends a signal and waits for the end; answers with the exit code. */
  async end(signal: 'SIGKILL' | 'SIGINT' | 'SIGTERM'): Promise<number | null> {
    const child = this.#process;
    if (!child || this.exited) return child?.exitCode ?? null;
    const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill(signal);
    await exited;
    return child.exitCode;
  }

  /** Registers a user over HTTP; answers with the envelope's code. */
  async register(loginName: string, mobileNo: string): Promise<number> {
    return registerUser(this.uac, loginName, mobileNo);
  }

  async mails(): Promise<ListedMail[]> {
    return listMails(this.inbox);
  }

  /** All messages of TPC. */
  async messages(filter: Partial<ListMessagesRequest> = {}): Promise<Message[]> {
    return listMessages(this.tpc, filter);
  }
}

export async function registerUser(uac: string, loginName: string, mobileNo: string): Promise<number> {
  const form = { loginName, loginPwd: 'Str0ng-pass!', confirmPwd: 'Str0ng-pass!', email: `${loginName}@example.com`, mobileNo, registerSource: 'PC' };
  const response = await fetch(`${uac}/auth/register`, { method: 'POST', body: new URLSearchParams(form), signal: AbortSignal.timeout(20_000) });
  return ((await response.json()) as { code: number }).code;
}

export async function listMails(inbox: string): Promise<ListedMail[]> {
  const mails: ListedMail[] = [];
  for (;;) {
    const response = await fetch(`${inbox}/api/v1/messages?start=${mails.length}&limit=500`);
    const page = (await response.json()) as { messages: ListedMail[] };
    mails.push(...page.messages);
    if (page.messages.length < 500) return mails;
  }
}

export async function listMessages(address: string, filter: Partial<ListMessagesRequest> = {}): Promise<Message[]> {
  const client = new MessageAdminServiceClient(address, credentials.createInsecure());
  const all: Message[] = [];
  let pageToken = '';
  do {
    const request: ListMessagesRequest = {
      pageSize: 500,
      pageToken,
      producerGroup: '',
      topic: '',
      tag: '',
      states: [],
      attentionOnly: false,
      messageKey: '',
      createTimeFrom: undefined,
      createTimeTo: undefined,
      ...filter,
    };
    const page = await new Promise<{ messages: Message[]; nextPageToken: string }>((resolve, reject) =>
      client.listMessages(request, (error, response) => (error ? reject(error) : resolve(response))),
    );
    all.push(...page.messages);
    pageToken = page.nextPageToken;
  } while (pageToken !== '');
  client.close();
  return all;
}
