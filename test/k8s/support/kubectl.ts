import { execFile, spawn } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A way to one port of the cluster; closed at the end of its block (so that a result has to be awaited before it is returned). */
export type Forward = AsyncDisposable & { address: string };

/** The real kubectl, on one cluster and in one namespace. */
export class Kubectl {
  readonly namespace: string;
  readonly #env: NodeJS.ProcessEnv;

  constructor(kubeconfig: string | undefined, namespace: string) {
    this.namespace = namespace;
    this.#env = kubeconfig ? { ...process.env, KUBECONFIG: kubeconfig } : process.env;
  }

  /**
   * @returns what it prints
   * @throws Error with its own words
   */
  async run(...args: string[]): Promise<string> {
    const { stdout } = await run('kubectl', ['--namespace', this.namespace, ...args], { env: this.#env, maxBuffer: 100_000_000 });
    return stdout;
  }

  async json<T>(...args: string[]): Promise<T> {
    return JSON.parse(await this.run(...args, '--output', 'json')) as T;
  }

  async apply(manifest: object): Promise<void> {
    const child = run('kubectl', ['--namespace', this.namespace, 'apply', '--server-side', '--validate=strict', '--filename', '-'], {
      env: this.#env,
    });
    child.child.stdin?.end(JSON.stringify(manifest));
    await child;
  }

  /** A key of a Secret, decoded. */
  async secret(name: string, key: string): Promise<string> {
    const { data } = await this.json<{ data: Record<string, string> }>('get', 'secret', name);
    return Buffer.from(data[key] as string, 'base64').toString();
  }

  /** @param target such as service/tpc; a pod behind it is chosen when it starts */
  async forward(target: string, port: number | string): Promise<Forward> {
    const child = spawn('kubectl', ['--namespace', this.namespace, 'port-forward', target, `:${port}`], { env: this.#env });
    let said = '';
    const address = await new Promise<string>((resolve, reject) => {
      const listen = (chunk: Buffer) => {
        said += chunk;
        const found = /Forwarding from (127\.0\.0\.1:\d+)/.exec(said)?.[1];
        if (found) resolve(found);
      };
      child.stdout.on('data', listen);
      child.stderr.on('data', listen);
      child.once('error', reject);
      child.once('exit', () => reject(new Error(`no way to ${target}: ${said}`)));
    });
    return {
      address,
      [Symbol.asyncDispose]: async () => {
        const ended = new Promise((resolve) => child.once('exit', resolve));
        child.kill();
        await ended;
      },
    };
  }
}
