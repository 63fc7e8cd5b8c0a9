import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { until } from '../../support/until.ts';
import type { Kubectl } from './kubectl.ts';

const PROGRAM = readFileSync(resolve(import.meta.dirname, '../load/register.mjs'), 'utf8');
/** More people than any test waits for: it is told when to end. */
const MOST = 5_000;

/** One person as the load's last line tells; `failures` are the answers to the tries before the last one. */
export type Registered = { name: string; tries: number; ms: number; failures: string[] };

/** People who register from inside the cluster, through UAC's Service, in a pod of their own. */
export class Load {
  readonly prefix: string;
  readonly #kubectl: Kubectl;
  readonly #pod: string;

  private constructor(kubectl: Kubectl, prefix: string) {
    this.#kubectl = kubectl;
    this.prefix = prefix;
    this.#pod = `load-${prefix}`;
  }

  /** Starts, and waits until the first person is on the way. @param mobile first digits of the mobile numbers, which are unique as well */
  static async start(kubectl: Kubectl, { prefix, mobile, perSecond }: { prefix: string; mobile: string; perSecond: number }): Promise<Load> {
    const load = new Load(kubectl, prefix);
    const env = { UAC: 'http://uac', PREFIX: `${prefix}-`, MOBILE: mobile, COUNT: String(MOST), PER_SECOND: String(perSecond) };
    await kubectl.apply(load.#manifest(env));
    await until('the load has begun', async () => (await load.#log()).includes('begun'), 60_000, 500);
    return load;
  }

  /**
   * Lets nobody else begin.
   * @returns everybody, once the last one is registered
   * @throws Error with the last failed tries, where some are not
   */
  async stop(withinMs = 120_000): Promise<Registered[]> {
    await this.#kubectl.run('exec', this.#pod, '--', 'touch', '/tmp/stop');
    const ended = async () => (await this.#kubectl.run('get', 'pod', this.#pod, '--output', 'jsonpath={.status.phase}')) === 'Succeeded';
    await until('everybody is registered', ended, withinMs, 500).catch(async (error: Error) => {
      throw new Error(`${error.message}; last failed tries:\n${(await this.#log()).trim().split('\n').slice(-5).join('\n')}`, { cause: error });
    });
    return JSON.parse((await this.#log()).trim().split('\n').at(-1) as string) as Registered[];
  }

  #log(): Promise<string> {
    return this.#kubectl.run('logs', this.#pod, '--tail=-1').catch(() => '');
  }

  #manifest(env: Record<string, string>): object {
    const securityContext = {
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
      readOnlyRootFilesystem: true,
      runAsNonRoot: true,
      seccompProfile: { type: 'RuntimeDefault' },
    };
    const container = {
      name: 'load',
      image: 'tpc:dev',
      imagePullPolicy: 'IfNotPresent',
      command: ['node', '/load/register.mjs'],
      env: Object.entries(env).map(([name, value]) => ({ name, value })),
      securityContext,
      resources: { requests: { cpu: '20m', memory: '64Mi' }, limits: { memory: '256Mi' } },
      volumeMounts: [
        { name: 'program', mountPath: '/load' },
        { name: 'tmp', mountPath: '/tmp' },
      ],
    };
    const volumes = [
      { name: 'program', configMap: { name: this.#pod } },
      { name: 'tmp', emptyDir: {} },
    ];
    const metadata = { name: this.#pod };
    const spec = { restartPolicy: 'Never', automountServiceAccountToken: false, terminationGracePeriodSeconds: 1, containers: [container], volumes };
    return {
      apiVersion: 'v1',
      kind: 'List',
      items: [
        { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { 'register.mjs': PROGRAM } },
        { apiVersion: 'v1', kind: 'Pod', metadata, spec },
      ],
    };
  }
}
