import { afterAll, beforeAll, describe, it } from 'vitest';
import { until } from '../support/until.ts';
import { expectEachOnce, failedAtFirst, settle, subscribed } from './support/count.ts';
import { Demo, NAMESPACE, PREPARE_MS } from './support/demo.ts';
import type { Kubectl } from './support/kubectl.ts';
import { Load } from './support/load.ts';
import { applyStrictly, rolledOut, writeVariant } from './support/variant.ts';

const PRODUCTION = 'tpc';
const STEP_MS = 600_000;
const SERVICES = ['tpc', 'uac', 'opc'] as const;
/** What the Secrets hold beside the database's address, each as the demonstration has it. */
const SECRETS = { tpc: ['tokens.json'], uac: ['tokens.json', 'tpc-token'], opc: ['tokens.json', 'tpc-token'] };

/** The addresses that a house fills in are those of the demonstration's parts, whose own services are switched off. */
const STAND_INS = {
  tpc: { BROKER_ENDPOINTS: `rocketmq-broker.${NAMESPACE}:8081`, BROKER_TLS: 'false' },
  uac: { UAC_REGISTER_PER_IP: '0' },
  opc: {
    BROKER_ENDPOINTS: `rocketmq-broker.${NAMESPACE}:8081`,
    BROKER_TLS: 'false',
    SMTP_HOST: `mail.${NAMESPACE}`,
    SMTP_PORT: '1025',
    SMTP_STARTTLS: 'off',
    SMTP_USER: '',
    SMTP_PASSWORD_FILE: '',
  },
};

describe('overlay production beside outside services', () => {
  let demo: Demo;
  let kubectl: Kubectl;

  beforeAll(async () => {
    demo = await Demo.prepare();
    kubectl = demo.cluster.kubectl(PRODUCTION);
    await demo.apply('outside');
    await demo.rolledOut();
    await demo.kubectl.run('scale', ...SERVICES.map((name) => `deployment/${name}`), '--replicas=0');
  }, PREPARE_MS);
  afterAll(async () => {
    if (process.env.TEST_K8S_KEEP !== '1') await kubectl?.run('delete', 'namespace', PRODUCTION, '--ignore-not-found', '--timeout=120s');
    await demo?.leave();
  }, STEP_MS);

  it(
    'registers users, and their mails go out by the mail server of the house; TPC has three replicas',
    async () => {
      await kubectl.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: PRODUCTION } });
      for (const name of SERVICES) await kubectl.apply(await secretOf(name));
      await applyStrictly(
        kubectl,
        writeVariant({ overlay: 'production', namespace: PRODUCTION, name: 'production', settings: STAND_INS, tag: 'dev' }),
      );
      await rolledOut(kubectl);
      await subscribed(demo);
      const load = await Load.start(kubectl, { prefix: 'house', mobile: '160000', perSecond: 3 });
      const people = await load.stop();
      failedAtFirst('production', people);
      await settle(demo);
      await expectEachOnce(demo, people);
      const ready = () => kubectl.run('get', 'deployment', 'tpc', '--output', 'jsonpath={.status.readyReplicas}');
      await until('TPC has three ready replicas', async () => (await ready()) === '3', 60_000, 1_000);
    },
    STEP_MS,
  );

  async function secretOf(name: (typeof SERVICES)[number]): Promise<object> {
    const copied = await Promise.all(SECRETS[name].map(async (key) => [key, await demo.kubectl.secret(name, key)] as const));
    const database = (await demo.kubectl.secret(name, 'database-url')).replace('@mariadb:', `@mariadb.${NAMESPACE}:`);
    const keyValue = name === 'uac' ? { 'key-value-url': `redis://redis.${NAMESPACE}:6379` } : {};
    const mail = name === 'opc' ? { 'smtp-password': 'unused' } : {};
    const stringData = { ...Object.fromEntries(copied), 'database-url': database, ...keyValue, ...mail };
    return { apiVersion: 'v1', kind: 'Secret', metadata: { name }, stringData };
  }
});
