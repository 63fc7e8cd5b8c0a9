import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ensureGrpcurl, GRPCURL_BUILD_MS } from '../support/programs/grpcurl.ts';
import { mailsByUser } from '../support/registrations.ts';
import { traceInJaeger } from '../support/tracing/jaeger.ts';
import { OWN_HOPS } from '../support/tracing/seen-spans.ts';
import { until } from '../support/until.ts';
import { expectEachOnce, failedAtFirst, finishedKeys, settle, subscribed } from './support/count.ts';
import { Demo, type Pod, PREPARE_MS } from './support/demo.ts';
import { Load, type Registered } from './support/load.ts';

const STEP_MS = 600_000;
/** Everybody of the load comes from one address. */
const SETTINGS = { uac: { UAC_REGISTER_PER_IP: '0' } };
const PER_SECOND = 3;
/** What each service's metrics page says while all is well. */
const METRICS = {
  tpc: /^tpc_health\{part="broker"\} 1$/m,
  uac: /^tpc_producer_online\b.* 1$/m,
  opc: /^tpc_consumer_registered\b.* 1$/m,
};
/** How long the database's node is away. */
const AWAY_MS = 10_000;

/** The demonstration on a real cluster, in the order of an engineer's day: applied, tried by hand, then everything dies under it. */
describe('overlay demo on a real cluster', () => {
  let demo: Demo;
  let applied: string;
  const everybody: Registered[] = [];

  beforeAll(async () => {
    demo = await Demo.prepare();
  }, PREPARE_MS);
  afterAll(() => demo?.leave(), STEP_MS);

  it(
    'is taken by server-side strict validation, and every rollout and Job comes to its end',
    async () => {
      const began = performance.now();
      applied = await demo.apply('demo', SETTINGS);
      const seconds = () => Math.round((performance.now() - began) / 1000);
      await demo.rolledOut();
      const rolledOut = seconds();
      await subscribed(demo);
      console.log(`k8s: the demonstration is rolled out after ${rolledOut} s, OPC subscribed after ${seconds()} s`);
    },
    STEP_MS,
  );

  it(
    'registers a user through the Service, and the mail is in the inbox',
    async () => {
      const load = await Load.start(demo.kubectl, { prefix: 'first', mobile: '130000', perSecond: 1 });
      const people = await load.stop();
      everybody.push(...people);
      const [first] = people;
      await using inbox = await demo.kubectl.forward('service/mail', 'inbox');
      await until('the mail', async () => (await mailsByUser(`http://${inbox.address}`)).has(first?.name as string), 60_000);
      failedAtFirst('first users', people);
    },
    STEP_MS,
  );

  it(
    'answers an operator with grpcurl through a port-forward: the message is FINISHED',
    async () => {
      const grpcurl = join(await ensureGrpcurl(), 'grpcurl');
      const token = await demo.kubectl.secret('operator', 'token');
      await settle(demo);
      await using way = await demo.kubectl.forward('service/tpc', 'grpc');
      const flags = ['-plaintext', '-expand-headers', '-H', `authorization: Bearer \${TOKEN}`, '-d', '{"page_size": 1}'];
      const call = [...flags, way.address, 'tpc.v1.MessageAdminService/ListMessages'];
      const said = execFileSync(grpcurl, call, { encoding: 'utf8', env: { ...process.env, TOKEN: token } });
      const { messages } = JSON.parse(said) as { messages: { state: string; producerGroup: string }[] };
      expect(messages).toMatchObject([{ state: 'MESSAGE_STATE_FINISHED', producerGroup: 'PID_UAC' }]);
    },
    GRPCURL_BUILD_MS,
  );

  it(
    'shows one trace for the message in the Jaeger of the cluster: from the registration through TPC and OPC to the mail and the report',
    async () => {
      await using way = await demo.kubectl.forward('service/jaeger', 'query');
      const [messageKey = 'none is finished'] = await finishedKeys(demo);
      const spans = await traceInJaeger(`http://${way.address}`, messageKey, OWN_HOPS);
      expect(new Set(spans.map(({ service }) => service))).toEqual(new Set(['uac', 'tpc', 'opc']));
      expect(spans.filter(({ failed }) => failed)).toEqual([]);
      console.log(`k8s: the trace of ${messageKey} has ${spans.length} spans`);
    },
    STEP_MS,
  );

  it(
    'answers a scrape of the metrics of every pod',
    async () => {
      for (const [service, wellSaid] of Object.entries(METRICS)) {
        const pods = await demo.pods(service);
        expect(pods).not.toEqual([]);
        for (const { metadata } of pods) {
          await using way = await demo.kubectl.forward(`pod/${metadata.name}`, 'metrics');
          expect(await (await fetch(`http://${way.address}/metrics`)).text(), metadata.name).toMatch(wellSaid);
        }
      }
    },
    STEP_MS,
  );

  it(
    'shows no difference to what was applied',
    async () => {
      const diff = await demo.kubectl.run('diff', '--server-side', '--kustomize', applied).catch((error: Error & { stdout?: string }) => {
        throw new Error(error.stdout || error.message);
      });
      expect(diff).toBe('');
    },
    STEP_MS,
  );

  it(
    'loses and doubles nothing while pods are deleted, the database loses its node and a bad configuration is rolled out and back',
    async () => {
      const load = await Load.start(demo.kubectl, { prefix: 'storm', mobile: '131000', perSecond: PER_SECOND });
      await deletePodsAtRandom(demo);
      await failDatabaseNode(demo);
      await rollBadConfigurationOutAndBack(demo);
      const people = await load.stop();
      failedAtFirst('storm', people);
      everybody.push(...people);
      await settle(demo);
      await expectEachOnce(demo, everybody);
    },
    3 * STEP_MS,
  );
});

/** Each service twice, each part around them once; in an order and in a manner that chance decides, and the log tells. */
async function deletePodsAtRandom(demo: Demo): Promise<void> {
  const victims = ['tpc', 'tpc', 'uac', 'uac', 'opc', 'opc', 'redis', 'mail', 'rocketmq-broker', 'rocketmq-name-server'];
  for (const name of victims.sort(() => Math.random() - 0.5)) {
    const pods = await demo.pods(name);
    const { metadata } = pods[Math.floor(Math.random() * pods.length)] as Pod;
    const force = Math.random() < 0.5;
    const began = performance.now();
    await demo.kubectl.run('delete', 'pod', metadata.name, '--wait=false', ...(force ? ['--grace-period=0', '--force'] : []));
    // Of a StatefulSet the next one has the same name.
    const replaced = async () => {
      const others = await demo.pods(name);
      return others.length >= pods.length && others.every((other) => other.metadata.uid !== metadata.uid);
    };
    await until(`another pod instead of ${metadata.name}`, replaced, 120_000, 500);
    await demo.rolledOut();
    console.log(`k8s: ${metadata.name} deleted${force ? ' by force' : ''}; all ready after ${Math.round((performance.now() - began) / 1000)} s`);
  }
}

/** On a strange cluster nobody may stop a node: there the pod is deleted by force, which waits for no answer of its node. */
async function failDatabaseNode(demo: Demo): Promise<void> {
  const began = performance.now();
  const { own } = demo.cluster;
  const before = await databaseContainer(demo);
  if (own) await own.failNode('mariadb-0', () => new Promise((resolve) => setTimeout(resolve, AWAY_MS)));
  else await demo.kubectl.run('delete', 'pod', 'mariadb-0', '--grace-period=0', '--force');
  const back = async () => ![undefined, before].includes(await databaseContainer(demo));
  await until('the database is back', back, 180_000, 1_000);
  await demo.rolledOut();
  const how = own ? "the database's node failed" : "the database's pod was deleted by force";
  console.log(`k8s: ${how}; all ready after ${Math.round((performance.now() - began) / 1000)} s`);
}

/** The database's container, when it is ready. */
async function databaseContainer(demo: Demo): Promise<string | undefined> {
  const [pod] = await demo.pods('mariadb');
  const [container] = pod?.status.containerStatuses ?? [];
  return container?.ready ? container.containerID : undefined;
}

/** The new pods of TPC refuse to start, the old ones go on; undone, everything is as before. */
async function rollBadConfigurationOutAndBack(demo: Demo): Promise<void> {
  await demo.apply('bad', { ...SETTINGS, tpc: { TPC_CLAIM_COUNT: 'many' } });
  const stuck = await demo.kubectl.run('rollout', 'status', 'deployment/tpc', '--timeout=25s').then(
    () => false,
    () => true,
  );
  expect(stuck).toBe(true);
  expect((await demo.pods('tpc')).length).toBeGreaterThan(0);
  await demo.kubectl.run('rollout', 'undo', 'deployment/tpc');
  await demo.rolledOut();
  await demo.apply('demo', SETTINGS);
  await demo.rolledOut();
}
