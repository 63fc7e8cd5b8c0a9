import { type ChildProcess, spawn } from 'node:child_process';
import { credentials } from '@grpc/grpc-js';
import { HealthCheckResponse_ServingStatus, HealthClient } from '@tpc/gen/grpc/health/v1/health';
import { freePort } from './free-port.ts';
import { until } from './until.ts';

export type ServiceName = 'tpc' | 'uac' | 'opc';

/** One service in a process of its own, which may be killed, frozen and started again at its ports. */
export class ServiceProcess {
  readonly name: ServiceName;
  readonly grpcPort: number;
  /** UAC's pages; unused by the others. */
  readonly httpPort: number;
  /** What it has logged, as JSON lines. */
  output = '';
  readonly #env: Readonly<Record<string, string>>;
  #process: ChildProcess | undefined;

  private constructor(name: ServiceName, env: Readonly<Record<string, string>>, grpcPort: number, httpPort: number) {
    this.name = name;
    this.grpcPort = grpcPort;
    this.httpPort = httpPort;
    this.#env = env;
  }

  static async make(name: ServiceName, env: Readonly<Record<string, string>>): Promise<ServiceProcess> {
    return new ServiceProcess(name, env, await freePort(), await freePort());
  }

  get http(): string {
    return `http://127.0.0.1:${this.httpPort}`;
  }

  /** Starts it and waits until it is ready, and for those named parts that it must have. */
  async start(parts: readonly string[] = []): Promise<void> {
    const ports = {
      [`${this.name.toUpperCase()}_GRPC_PORT`]: String(this.grpcPort),
      ...(this.name === 'uac' ? { UAC_HTTP_PORT: String(this.httpPort) } : {}),
    };
    const child = spawn(process.execPath, ['--conditions=tpc-source', '--disable-warning=ExperimentalWarning', `services/${this.name}/src/main.ts`], {
      // Crowds come from one ip here.
      env: { ...process.env, LOG_LEVEL: 'info', LOG_FORMAT: 'json', UAC_REGISTER_PER_IP: '0', ...this.#env, ...ports },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk) => {
        this.output += chunk;
      });
    }
    this.#process = child;
    const ended = () => child.exitCode !== null || child.signalCode !== null;
    for (const part of ['', ...parts]) {
      await until(
        `${this.name} ${part} is ready`,
        () => (ended() ? Promise.reject(new Error(this.output)) : isServing(`127.0.0.1:${this.grpcPort}`, part)),
        60_000,
        100,
      );
    }
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#process?.kill(signal);
  }

  /** Ends it and waits for its end. */
  async end(signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<void> {
    const child = this.#process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill(signal);
    await exited;
  }

  /** The log lines of this message. */
  said(message: string): string[] {
    return this.output.split('\n').filter((line) => line.includes(message));
  }
}

/** Whether a server says by grpc.health.v1 that it serves: as a whole, or one named part. */
export function isServing(address: string, part = ''): Promise<boolean> {
  const client = new HealthClient(address, credentials.createInsecure());
  return new Promise<boolean>((resolve) => {
    client.check({ service: part }, { deadline: Date.now() + 1_000 } as never, (error, response) =>
      resolve(!error && response.status === HealthCheckResponse_ServingStatus.SERVING),
    );
  }).finally(() => client.close());
}
