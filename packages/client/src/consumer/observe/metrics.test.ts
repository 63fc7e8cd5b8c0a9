import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../../../../test/support/until.ts';
import { GROUP, TestBed, TOPIC } from '../../../test/consumer-kit.ts';
import { STORES } from '../../../test/stores.ts';
import { TestMeter } from '../../../test/test-meter.ts';
import { BadMessageError } from '../errors.ts';

const group = { consumer_group: GROUP };
const topic = { ...group, topic: TOPIC };

describe.each(STORES)('the metrics of a consumer on %s', (_name, makeStore) => {
  let bed: TestBed;
  let meter: TestMeter;
  beforeEach(async () => {
    bed = await TestBed.open(makeStore);
    meter = new TestMeter();
  });
  afterEach(() => bed.close());

  it('count what arrives, what becomes of it and how long that takes, and never carry a key', async () => {
    const handle = async (_tx: unknown, { messageKey }: { messageKey: string }) => {
      if (messageKey === 'bad') throw new BadMessageError('bad');
    };
    await bed.run({ handle }, { meterProvider: meter.provider });
    for (const messageKey of ['good', 'good', 'bad']) bed.broker.deliver({ messageKey, topic: TOPIC, body: 'x' });
    await until(async () => (await meter.value('tpc.consumer.handled', { ...topic, outcome: 'dead' })) === 1);
    await until(async () => (await meter.value('tpc.consumer.handled', { ...topic, outcome: 'consumed' })) === 1);
    expect(await meter.value('tpc.consumer.handler.duration', { ...topic, outcome: 'consumed' })).toBe(1);
    // A copy may come in a batch of its own, and then after all has been handled.
    await until(async () => (await meter.value('tpc.consumer.arrivals', { ...topic, kind: 'duplicate' })) === 1);
    expect(await meter.value('tpc.consumer.arrivals', { ...topic, kind: 'stored' })).toBe(2);
    await until(async () => ((await meter.value('tpc.consumer.reports', { ...group, outcome: 'accepted' })) ?? 0) > 0);
    expect(await meter.value('tpc.consumer.registered', group)).toBe(1);
    for (const key of ['good', 'bad']) expect(await meter.labels()).not.toContain(key);
  });

  it('show the inbox that waits, and nothing after the stop', async () => {
    const hang = Promise.withResolvers<{ result: string }>();
    const handler = {
      effects: () => [{ key: 'mail' }],
      run: () => hang.promise,
      timeoutMs: 5_000,
      leaseMs: 6_000,
      onUncertain: 'repeat',
      concurrency: 1,
    } as const;
    const consumer = await bed.run(handler, { meterProvider: meter.provider });
    for (const messageKey of ['a', 'b', 'c']) bed.broker.deliver({ messageKey, topic: TOPIC, body: 'x' });
    await until(async () => (await bed.store.knex('tpc_inbox')).length === 3);
    // Stored is not begun.
    await until(async () => (await meter.value('tpc.consumer.handling', group)) === 1);
    expect(await meter.value('tpc.consumer.inbox.backlog', group)).toBe(3);
    hang.resolve({ result: 'sent' });
    await consumer.stop(5_000);
    expect(await meter.value('tpc.consumer.inbox.backlog', group)).toBeUndefined();
  });
});
