import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../../../../test/support/until.ts';
import { GROUP, TestBed, TOPIC } from '../../../test/consumer-kit.ts';
import { STORES } from '../../../test/stores.ts';
import type { EffectHandler } from '../types.ts';

const SLOW = 'SLOW_TOPIC';
const MESSAGES = 80;
const EFFECT = { effects: () => [{ key: 'a' }], timeoutMs: 60_000, leaseMs: 70_000, onUncertain: 'repeat', concurrency: 2 } as const;

describe.each(STORES)('a topic that is slow, on %s', (_name, makeStore) => {
  let bed: TestBed;
  let door: PromiseWithResolvers<void>;
  beforeEach(async () => {
    bed = await TestBed.open(makeStore);
    door = Promise.withResolvers();
  });
  afterEach(async () => {
    door.resolve();
    await bed.close();
  });

  const slow: EffectHandler = { ...EFFECT, run: () => door.promise.then(() => ({})) };
  const quick: EffectHandler = { ...EFFECT, run: async () => ({}) };
  const start = (options: object) =>
    bed.run(quick, {
      handlers: { [TOPIC]: quick, [SLOW]: slow },
      subscriptions: [
        { topic: TOPIC, tags: [] },
        { topic: SLOW, tags: [] },
      ],
      leaseMs: 3_600_000,
      ...options,
    });
  const deliver = (topic: string, name: string) =>
    bed.broker.deliver(...Array.from({ length: MESSAGES }, (_, n) => ({ messageKey: `${name}${n}`, topic, body: 'x' })));
  const finished = async (topic: string) => Number((await bed.store.knex('tpc_inbox').where({ topic, state: 30 }).count({ n: '*' }))[0]?.n);

  it('stays at the broker, while another topic of the group goes on', async () => {
    const consumer = await start({ maxInMemory: 16 });
    deliver(SLOW, 's');
    await until(() => consumer.state().handling === 2);
    deliver(TOPIC, 'q');
    await until(async () => (await finished(TOPIC)) === MESSAGES);
    const stored = Number((await bed.store.knex('tpc_inbox').where({ topic: SLOW }).count({ n: '*' }))[0]?.n);
    // What is in memory, and the batch that went beyond it.
    expect(stored).toBeLessThanOrEqual(16 + 32);
    expect(bed.broker.unacknowledged(GROUP)).toBe(MESSAGES - stored);
    door.resolve();
    await until(async () => (await finished(SLOW)) === MESSAGES);
  });

  it('leaves room in memory for the others, also where its backlog stands in the inbox', async () => {
    const row = { consumer_group: GROUP, generation: 1, topic: SLOW, body: Buffer.from('x'), due_at: 1, received_at: 1, state: 10 };
    await bed.store.knex('tpc_inbox').insert(Array.from({ length: 100 }, (_, n) => ({ ...row, message_key: `b${n}` })));
    const consumer = await start({ maxInMemory: 16 });
    const claimed = async () => Number((await bed.store.knex('tpc_inbox').where({ topic: SLOW }).whereNotNull('claim').count({ n: '*' }))[0]?.n);
    await until(async () => (await claimed()) >= 12);
    deliver(TOPIC, 'q');
    await until(async () => (await finished(TOPIC)) === MESSAGES);
    expect(consumer.state().inMemory).toBeLessThanOrEqual(16);
  });

  it('does not keep TPC from hearing that another topic is idle', async () => {
    bed.tpc.heartbeatMs = 200;
    await start({ maxInMemory: 16 });
    deliver(SLOW, 's');
    const said = () =>
      bed.tpc.callsOf('registerConsumer').map(({ request }) => {
        const { idle, subscriptions } = request as { idle: boolean; subscriptions: { topic: string; idle: boolean }[] };
        return `${idle} ${subscriptions.map((each) => `${each.topic} ${each.idle}`).join()}`;
      });
    await until(() => said().includes(`false ${TOPIC} true,${SLOW} false`));
    door.resolve();
    await until(() => said().at(-1) === `true ${TOPIC} true,${SLOW} true`);
  });
});
