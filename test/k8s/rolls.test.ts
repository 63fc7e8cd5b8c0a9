import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectEachOnce, failedAtFirst, settle, subscribed } from './support/count.ts';
import { Demo, PREPARE_MS } from './support/demo.ts';
import { Load, type Registered } from './support/load.ts';
import { previousRevision } from './support/previous.ts';

const STEP_MS = 900_000;
const SETTINGS = { uac: { UAC_REGISTER_PER_IP: '0' } };
const PER_SECOND = 3;
const SERVICES = ['tpc', 'uac', 'opc'];

/** Two versions on one database and one broker: the roll from N-1 to the new one, a restart of all, and the roll back, under load all the time. */
describe('rolling out on a real cluster', () => {
  let demo: Demo;
  const everybody: Registered[] = [];

  beforeAll(async () => {
    const previous = previousRevision();
    console.log(`k8s: N-1 is ${previous}`);
    demo = await Demo.prepare(previous);
    await demo.apply('rolls', SETTINGS, 'previous');
    await demo.rolledOut();
    await subscribed(demo);
  }, PREPARE_MS);
  afterAll(() => demo?.leave(), STEP_MS);

  it('rolls from N-1 to this version without a failed registration', () => underLoad('up', '140000', () => roll('dev')), STEP_MS);
  it('restarts every service without a failed registration', () => underLoad('restart', '141000', restart), STEP_MS);
  it('rolls back to N-1 without a failed registration', () => underLoad('back', '142000', () => roll('previous')), STEP_MS);

  async function roll(tag: string): Promise<void> {
    await demo.apply('rolls', SETTINGS, tag);
    await demo.rolledOut();
    for (const name of SERVICES) expect(await demo.imagesOf(name)).toEqual([`tpc:${tag}`]);
  }

  async function restart(): Promise<void> {
    for (const name of SERVICES) await demo.kubectl.run('rollout', 'restart', `deployment/${name}`);
    await demo.rolledOut();
  }

  /** Every person's first try has to do; and nobody is lost or doubled of all since the first roll. */
  async function underLoad(prefix: string, mobile: string, work: () => Promise<void>): Promise<void> {
    const load = await Load.start(demo.kubectl, { prefix, mobile, perSecond: PER_SECOND });
    const began = performance.now();
    let people: Registered[] = [];
    try {
      await work();
      console.log(`k8s: ${prefix}: done after ${Math.round((performance.now() - began) / 1000)} s`);
    } finally {
      // Also after a failed roll: the tests behind it count everybody.
      people = await load.stop();
      everybody.push(...people);
    }
    const failed = failedAtFirst(prefix, people);
    await settle(demo);
    await expectEachOnce(demo, everybody);
    expect(failed).toEqual([]);
  }
});
